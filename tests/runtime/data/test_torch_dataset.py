"""A custom dataset that returns a torch Dataset: what its items may be, and what is refused, by index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch.utils.data import Dataset, IterableDataset
from typer.testing import CliRunner

from hvaedsl.cli.main import app
from hvaedsl.diagnostics.errors import RunError
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data import open_split
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.data.torch_dataset import TorchImages
from hvaedsl_runtime.disk.metrics import read_metrics
from tests.runtime.data.image_folders import everything
from tests.runtime.data.parquet_tables import lists, write_table

HEIGHT, WIDTH = 4, 6


class Items(Dataset[Any]):
    """Items that a function makes of an image and its index."""

    def __init__(self, pixels: Pixels, make: Callable[[Pixels, int], Any]) -> None:
        self.pixels, self.make = pixels, make

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Any:
        return self.make(self.pixels[index], index)


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(())


def pixels(channels: int, levels: int = 256) -> Pixels:
    found = np.random.default_rng(channels).integers(0, levels, (20, HEIGHT, WIDTH, channels))
    found.flat[:2] = 0, levels - 1
    return found.astype(np.uint8 if levels <= 256 else np.uint16)


def tensor(image: Pixels) -> torch.Tensor:
    return torch.from_numpy(image.astype(np.int32)).permute(2, 0, 1)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, make_spec: Any) -> Callable[..., Pixels]:
    """The training images of a dataset that returns an object, for a spec of these channels and levels."""

    def read(made: object, channels: int, levels: int = 256, **changes: Any) -> Pixels:
        monkeypatch.setattr("hvaedsl_runtime.data.custom.import_custom", lambda _: lambda _, __: made)
        spec: DataSpec = make_spec(
            "mine:images",
            channels=channels,
            levels=levels,
            resolution=ImageSize(HEIGHT, WIDTH),
            validation=0,
            **changes,
        )
        return everything(open_split(spec, "train"))

    return read


MAKERS: dict[str, Callable[[Pixels, int], Any]] = {
    "tensor": lambda image, _: tensor(image),
    "tuple": lambda image, index: (tensor(image), index),
    "list": lambda image, index: [tensor(image), {"label": index}],
    "array": lambda image, _: image,
    "array of floats": lambda image, _: image.astype(np.float64) / 255,
    "to_tensor": lambda image, _: tensor(image).to(torch.float32) / 255,
    "integers": lambda image, _: image.astype(np.int64),
}


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", MAKERS)
def test_items_of_every_kind_are_the_same_images(opened: Callable[..., Pixels], kind: str, channels: int) -> None:
    images = pixels(channels)
    np.testing.assert_array_equal(opened(Items(images, MAKERS[kind]), channels), images)


@pytest.mark.parametrize("channels", [1, 3])
def test_pil_images_and_images_without_an_axis_of_channels(opened: Callable[..., Pixels], channels: int) -> None:
    images = pixels(channels)
    made: list[Callable[[Pixels, int], Any]] = [lambda image, _: Image.fromarray(image.squeeze())]
    made += [lambda image, _: image[..., 0], lambda image, _: tensor(image)[0]] if channels == 1 else []
    for make in made:
        np.testing.assert_array_equal(opened(Items(images, make), channels), images)


@pytest.mark.parametrize("levels", [2, 17, 4_096, 65_536])
def test_floats_of_other_levels(opened: Callable[..., Pixels], levels: int) -> None:
    images = pixels(1, levels)
    found = opened(Items(images, lambda image, _: image.astype(np.float32) / np.float32(levels - 1)), 1, levels)
    np.testing.assert_array_equal(found, images)


def at(index: int, wrong: Callable[[Pixels], Any]) -> Callable[[Pixels, int], Any]:
    """Items that are right but for one."""
    return lambda image, number: wrong(image) if number == index else tensor(image)


def fails(_: Pixels) -> Any:
    raise KeyError("path")


@pytest.mark.parametrize(
    ("wrong", "reason", "way_out"),
    [
        (lambda image: {"image": image, "label": 3}, "a dict with the keys 'image', 'label'", "an item is an image"),
        (lambda _: None, "a NoneType", "an item is an image"),
        (fails, "cannot be read: KeyError", ""),
        (lambda image: image.transpose(2, 0, 1), r"a ndarray of shape \[3, 4, 6\]; it must be \[4, 6, 3\]", "permute"),
        (lambda image: torch.from_numpy(image), r"a Tensor of shape \[4, 6, 3\]; it must be \[3, 4, 6\]", "permute"),
        (lambda image: tensor(image).mT, r"shape \[3, 6, 4\]", "the images are 6 high and 4 wide"),
        (
            lambda image: tensor(image)[:1],
            r"shape \[1, 4, 6\]; it must be \[3, 4, 6\]",
            "the images have one channel: set data.channels to 1, or repeat it in the dataset: "
            "`image.expand(3, -1, -1)`",
        ),
        (
            lambda image: tensor(image)[0],
            r"shape \[4, 6\]",
            "in the dataset: `image.expand(3, -1, -1)`",
        ),
        (lambda image: image[..., :1], r"shape \[4, 6, 1\]", "in the dataset: `image.repeat(3, axis=-1)`"),
        (lambda image: image[..., 0], r"shape \[4, 6\]", "in the dataset: `numpy.stack([image] * 3, axis=-1)`"),
        (lambda image: Image.fromarray(image[..., 0]), r"shape \[4, 6\]", 'the dataset: `image.convert("RGB")`'),
        (
            lambda image: tensor(image).repeat(2, 1, 1)[:4],
            r"shape \[4, 4, 6\]; it must be \[3, 4, 6\]",
            "the images have 4 channels: set data.channels to 4, or make 3 channels of them in the dataset",
        ),
        (
            lambda image: tensor(image)[:, :3],
            r"shape \[3, 3, 6\]",
            "correct data.resolution and data.channels",
        ),
        (lambda image: tensor(image) / 255 - 0.5, "from -0.5 to 0.5; they must be k / 255", "remove Normalize"),
        (lambda image: tensor(image) / 256, "from 0 to .*; they must be k / 255", "remove Normalize"),
        (lambda image: tensor(image) / 255 * torch.nan, "from nan to nan; they must be k / 255", "remove Normalize"),
        (lambda image: tensor(image) + 1, "from 1 to 256; they must be levels from 0 to 255", "correct data.levels"),
        (lambda image: tensor(image).to(torch.complex64), "values of type complex64", "an item is an image"),
    ],
)
@pytest.mark.parametrize("index", [0, 7])
def test_a_wrong_item_is_named_by_its_index(
    opened: Callable[..., Pixels], index: int, wrong: Callable[[Pixels], Any], reason: str, way_out: str
) -> None:
    images = pixels(3)
    images[:, 0, 0] = 0, 0, 255
    images[:, 0, 1] = 255
    with pytest.raises(RunError, match=f"mine:images, train images, item {index}: .*{reason}") as caught:
        opened(Items(images, at(index, wrong)), 3)
    assert way_out in caught.value.help


def test_what_repeats_a_channel_gives_images_of_the_spec(opened: Callable[..., Pixels]) -> None:
    images = pixels(1)
    ways: tuple[Callable[[Pixels], Any], ...] = (
        lambda image: torch.from_numpy(image[..., 0]).expand(3, -1, -1),
        lambda image: tensor(image).expand(3, -1, -1),
        lambda image: image.repeat(3, axis=-1),
        lambda image: np.stack([image[..., 0]] * 3, axis=-1),
        lambda image: Image.fromarray(image[..., 0]).convert("RGB"),
    )
    for way in ways:
        found = opened(Items(images, lambda image, _, way=way: way(image)), 3)  # type: ignore[misc]  # a default
        np.testing.assert_array_equal(found, images.repeat(3, axis=-1))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda image: tensor(image)[:1],
        lambda image: tensor(image)[:, :3],
        lambda image: tensor(image).mT,
        lambda image: tensor(image).int() + 300,
        lambda image: tensor(image) / 3,
    ],
)
def test_items_for_a_trained_model_are_told_without_another_spec(
    make_spec: Any, wrong: Callable[[Pixels], Any]
) -> None:
    spec = make_spec("mine:images", channels=3, resolution=ImageSize(HEIGHT, WIDTH), levels=256)
    images = TorchImages(Items(pixels(3), lambda image, _: wrong(image)), spec, "mine", trained=True)
    with pytest.raises(RunError) as caught:
        images.read(np.arange(1))
    assert caught.value.help
    assert "data." not in caught.value.help


def test_images_that_change_at_random_are_refused(opened: Callable[..., Pixels]) -> None:
    drawn = iter(range(10**6))
    with pytest.raises(RunError, match="item 0 is another image when it is read again"):
        opened(Items(pixels(1), lambda image, _: tensor(image) * (next(drawn) % 2)), 1)


def test_a_stream_is_refused(opened: Callable[..., Pixels]) -> None:
    with pytest.raises(RunError, match="a Stream has no length and no index"):
        opened(Stream(), 1)


@pytest.mark.parametrize(
    ("bare", "made"), [(Items, 'Items(path, train=split == "train")'), (Items(pixels(1), MAKERS["array"]), "mine")]
)
def test_a_dataset_in_place_of_a_function_gets_the_function(
    monkeypatch: pytest.MonkeyPatch, make_spec: Any, bare: object, made: str
) -> None:
    monkeypatch.setattr("hvaedsl_runtime.data.custom.import_custom", lambda _: bare)
    name = "data:Items" if bare is Items else "data:mine"
    with pytest.raises(RunError, match=f"`{name}` is a torch Dataset") as caught:
        open_split(make_spec(name), "train")
    assert f"def images(split, path):\n        return {made}" in caught.value.help


def test_the_digits_as_an_array_as_a_dataset_and_as_parquet_files_give_one_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("""
import numpy as np
from sklearn.datasets import load_digits
from torch.utils.data import Dataset

class Digits(Dataset):
    def __init__(self, images):
        self.images = images
    def __len__(self):
        return len(self.images)
    def __getitem__(self, index):
        return self.images[index].astype(np.float32) / 16, index

def array(split, path):
    images = load_digits().images.astype(np.uint8)[..., None]
    return images[:200] if split == "train" else images[200:260]

def dataset(split, path):
    return Digits(array(split, path))
""")
    monkeypatch.syspath_prepend(str(tmp_path))
    curve = trained(tmp_path, "array", '"mine:array"')
    assert trained(tmp_path, "dataset", '"mine:dataset"') == curve

    pytest.importorskip("pyarrow")
    images = load_digits().images.astype(np.uint8)
    for split, part in {"train": images[:200], "test": images[200:260]}.items():
        write_table(tmp_path / "digits" / f"{split}-00000-of-00001.parquet", {"image": lists(part)}, row_group_size=50)
    monkeypatch.setenv("HVAEDSL_DATA", str(tmp_path / "prepared"))
    assert trained(tmp_path, "parquet", f'"hf:ada/digits"  path = "{tmp_path / "digits"}"') == curve


def trained(folder: Path, name: str, dataset: str) -> list[tuple[object, ...]]:
    """The figures of a short run, without times."""
    spec = folder / f"{name}.hvae"
    spec.write_text(f"""hvae 1
data {{ dataset = {dataset}  channels = 1  resolution = 8  levels = 17  validation = 20 }}
model {{ width = 8  latent = 2  encoder = 8x1, 8d2, 4x1  decoder = 4x1, 8m4 }}
train {{ steps = 6  batch_size = 8  learning_rate = 1e-3  eval_every = 3 }}
""")
    done = CliRunner().invoke(app, ["train", str(spec), "--out", str(folder / name), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    lines = read_metrics(folder / name / "metrics.jsonl")
    return [tuple((key, str(value)) for key, value in sorted(line.items()) if "second" not in key) for line in lines]
