"""From published files to a trained model, through the command line."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hvaedsl.ir.likelihood import Likelihood
from hvaedsl_runtime.data import open_split, preparation
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.data.prepare import data_to_prepare
from tests.soak import soak

SPEC = """hvae 1
data {{ dataset = {dataset} {data} }}
model {{
  width = 4 latent = 2 encoder = {size}d{factor}, 4x1 decoder = 4x1, {size}m4 likelihood = {likelihood}
}}
train {{ steps = 2 batch_size = 1 learning_rate = 1e-3 eval_every = 2 seed = 3 }}
sample {{ count = 1 }}
"""


@pytest.fixture
def genuine(
    rgb: Any, write_npz: Any, write_tar: Any, write_celeba: Any, write_pngs: Any
) -> Callable[[str, Path], None]:
    """Writes the published files of a data set."""

    def write(dataset: str, root: Path) -> None:
        size = int("".join(filter(str.isdigit, dataset)) or 64)
        match dataset:
            case "imagenet32" | "imagenet64":
                write_npz(root / "train_data_batch_1.npz", rgb(6, size))
                write_npz(root / "val_data.npz", rgb(2, size))
            case "imagenet32_oord" | "imagenet64_oord":
                write_tar(root / f"train_{size}x{size}.tar", rgb(6, size))
                write_tar(root / f"valid_{size}x{size}.tar", rgb(2, size))
            case "celeba":
                write_celeba(root, "00001122")
            case "ffhq256":
                root.mkdir()
                np.save(root / "ffhq-256.npy", rgb(6, 256))
            case "ffhq1024":
                write_pngs(root / "images1024x1024", rgb(4, 1024), "{1:05}/{0:05}.png")
            case "folder":
                write_pngs(root, rgb(20, 40), "{:05}.png")
            case "mnist" | "fashion_mnist":
                write_mnist(root / ("MNIST" if dataset == "mnist" else "FashionMNIST") / "raw", rgb)

    return write


def write_mnist(folder: Path, rgb: Any) -> None:
    folder.mkdir(parents=True)
    for part, count in (("train", 12), ("t10k", 5)):
        images: Pixels = rgb(count, 28, seed=count)[..., 0]
        header = struct.pack(">HBB3I", 0, 8, 3, *images.shape)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        labels = struct.pack(">HBB1I", 0, 8, 1, count) + bytes(count)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)


def write_spec(path: Path, dataset: str, data: str, size: int) -> Path:
    likelihood = "bernoulli" if "mnist" in dataset else "mixture_of_logistics(1)"
    path.write_text(SPEC.format(dataset=dataset, data=data, size=size, factor=size // 4, likelihood=likelihood))
    return path


@pytest.mark.long
@pytest.mark.parametrize(
    ("dataset", "size"),
    [
        ("imagenet32", 32),
        ("imagenet64", 64),
        ("imagenet32_oord", 32),
        ("imagenet64_oord", 64),
        ("celeba", 64),
        soak("ffhq256", 256),
        ("folder", 16),
        ("mnist", 32),
    ],
)
def test_published_files_are_prepared_and_trained_on(
    tmp_path: Path, command: Any, genuine: Any, monkeypatch: pytest.MonkeyPatch, dataset: str, size: int
) -> None:
    monkeypatch.setenv("HVAEDSL_DATA", str(tmp_path / "prepared"))
    genuine(dataset, tmp_path / "published")
    own = dataset == "folder"
    options = ["--resolution", "16", "--channels", "3", "--out", tmp_path / "prepared" / "folder"] if own else []
    code, out, err = command("data", "prepare", dataset, "--from", tmp_path / "published", *options)
    assert (code, err) == (0, "")
    assert out.startswith(f"{tmp_path}/prepared/{dataset}: {dataset}, {size}x{size}x")
    assert ("warning: found" in out) is not own
    assert command("data", "verify", tmp_path / "prepared" / dataset)[0] == 0
    data = "validation = 2" + ("  channels = 3  resolution = 16" if own else "")
    spec = write_spec(tmp_path / "small.hvae", dataset, data, size)
    code, out, err = command("train", spec, "--out", tmp_path / "run", "--device", "cpu", "--threads", "1")
    assert code == 0, err
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["test"]["raw"]["images"] > 0
    assert command("eval", tmp_path / "run", "--device", "cpu", "--split", "validation")[0] == 0


def test_ffhq1024_is_prepared_and_opened(
    tmp_path: Path, command: Any, genuine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step at 1024 pixels takes more memory than a test may; the images are opened as training opens them."""
    monkeypatch.setenv("HVAEDSL_DATA", str(tmp_path / "prepared"))
    genuine("ffhq1024", tmp_path / "published")
    code, out, err = command("data", "prepare", "ffhq1024", "--from", tmp_path / "published")
    assert (code, err) == (0, "")
    assert "warning: found 4 of 70,000 images (all)" in out
    spec = data_to_prepare("ffhq1024", None, None).model_copy(update={"validation": 1})
    sets = {split: open_split(spec, split) for split in ("train", "validation", "test")}
    assert [len(images) for images in sets.values()] == [3, 1, 1]
    np.testing.assert_array_equal(sets["validation"].batch([0]), sets["test"].batch([0]))
    likelihood = Likelihood(name="mixture_of_logistics", mixtures=2)
    x, target = preparation(spec, likelihood, sets["train"])(torch.from_numpy(sets["train"].batch([0, 2])))
    assert x.shape == target.shape == (2, 1024, 1024, 3)


@pytest.mark.long
@pytest.mark.parametrize("dataset", ["mnist", "fashion_mnist"])
def test_a_run_on_prepared_images_is_the_run_on_the_raw_ones(
    tmp_path: Path, command: Any, genuine: Any, dataset: str, curve: Any
) -> None:
    genuine(dataset, tmp_path / "raw")
    code, _, err = command("data", "prepare", dataset, "--from", tmp_path / "raw", "--out", tmp_path / "prepared")
    assert code == 0, err
    curves = []
    for place in ("raw", "prepared"):
        spec = write_spec(tmp_path / "small.hvae", dataset, f'path = "{tmp_path / place}"  validation = 3', 32)
        run = tmp_path / f"run_{place}"
        code, _, err = command("train", spec, "--out", run, "--device", "cpu", "--threads", "1")
        assert code == 0, err
        curves.append(curve(run))
    assert curves[0] == curves[1]
    assert curves[0]


def test_mistakes_are_one_message(tmp_path: Path, command: Any) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "file").touch()
    for arguments, exit_code, message in (
        (("faces", "--from", folder), 2, "unknown dataset faces; NAME must be one of mnist"),
        (("npy", "--from", folder), 2, "npy needs no preparation"),
        (("digits", "--from", folder), 2, "digits comes with scikit-learn"),
        (("celeba", "--from", tmp_path / "none"), 2, "does not exist"),
        (("celeba", "--from", folder / "file"), 2, "is a file; give the folder"),
        (
            ("celeba", "--from", folder, "--resolution", "32"),
            2,
            "celeba is 64x64x3 with 256 levels; --resolution, --channels and --levels are only for",
        ),
        (("folder", "--from", folder, "--out", tmp_path / "out"), 2, "--resolution and --channels"),
        (("folder", "--from", folder, "--resolution", "8", "--channels", "5", "--out", "o"), 2, "(1 to 4)"),
        (
            (*("folder", "--from", folder, "--resolution", "8", "--channels", "4"), "--background", "white"),
            2,
            "--background needs --channels 1 or 3; --channels is 4, and alpha is one of them",
        ),
        (("folder", "--from", folder, "--resolution", "8", "--channels", "1"), 2, "--out is missing"),
        (("celeba", "--from", folder), 4, "found no list_eval_partition.txt"),
    ):
        code, _, err = command("data", "prepare", *arguments)
        assert (code, message in " ".join(err.split())) == (exit_code, True), err
    for name in ("show", "verify"):
        code, _, err = command("data", name, folder)
        assert (code, "found no prepared images" in err) == (4, True)


def test_a_changed_byte_is_found(tmp_path: Path, command: Any, genuine: Any) -> None:
    genuine("celeba", tmp_path / "published")
    command("data", "prepare", "celeba", "--from", tmp_path / "published", "--out", tmp_path / "set")
    code, out, _ = command("data", "show", tmp_path / "set")
    assert code == 0
    assert "train.npy: 4 images" in out
    assert "x 15 to 163, y 40 to 188" in out
    shown, verified = (json.loads(command("data", name, tmp_path / "set", "--json")[1]) for name in ("show", "verify"))
    assert shown == json.loads((tmp_path / "set" / "manifest.json").read_text())
    assert verified == {"folder": str(tmp_path / "set"), "images": 8, "damaged": []}
    path = tmp_path / "set" / "test.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    code, _, err = command("data", "verify", tmp_path / "set")
    assert code == 4
    assert "test.npy: its checksum is" in err
    code, out, _ = command("data", "verify", tmp_path / "set", "--json")
    assert code == 4
    (damaged,) = json.loads(out)["damaged"]
    assert "test.npy: its checksum is" in damaged


def test_the_options_of_a_folder_decide_what_is_taken(tmp_path: Path, command: Any, rgb: Any, write_pngs: Any) -> None:
    write_pngs(tmp_path / "photos", rgb(20, 16), "{:05}.png")
    shape = ("--resolution", "16", "--channels", "3")
    prepare = ("data", "prepare", "folder", "--from", tmp_path / "photos", *shape, "--force", "--out", tmp_path / "set")
    assert command(*prepare, "--crop", "none", "--no-resize")[0] == 0
    Image.new("RGBA", (20, 16), (200, 0, 0, 128)).save(tmp_path / "photos" / "00003.png")
    for options, message in (
        ((), "no background is given"),
        (("--background", "#000000", "--crop", "none"), "the image is 20 wide and 16 high; it must be square"),
        (("--background", "red"), "--background is `red`"),
    ):
        code, _, err = command(*prepare, *options)
        assert code
        assert message in " ".join(err.split())
    code, out, err = command(*prepare, "--background", "black", "--no-resize")
    assert (code, err) == (0, "")
    assert "of 20 files: 1 cropped to the center, 1 composited on the background" in out
    assert np.load(tmp_path / "set" / "all.npy")[3, 0, 0].tolist() == [100, 0, 0]


def test_train_says_what_it_changed_and_what_it_left(tmp_path: Path, command: Any, rgb: Any, write_pngs: Any) -> None:
    write_pngs(tmp_path / "photos" / "cat", rgb(20, 32), "{:05}.png")
    (tmp_path / "photos" / "cat" / "a.gif").touch()
    data = f'path = "{tmp_path / "photos"}"  channels = 3  resolution = 16  validation = 0'
    spec = write_spec(tmp_path / "small.hvae", "folder", data, 16)
    size = ("--set", "train.batch_size=32")
    code, out, err = command("train", spec, "--out", tmp_path / "run", "--device", "cpu", "--threads", "1", *size)
    assert code == 0, err
    assert "folder: files that are not taken (1): 1 .gif (image formats that are not read; convert them to PNG)" in out
    assert "folder: 18 training images: 18 resized" in out
    assert "folder: a step takes 32 images, more than the 18 training images" in out
    (tmp_path / "photos" / "cat" / "00001.png").write_bytes(b"")
    (tmp_path / "photos" / "cat" / "00002.png").write_bytes(b"")
    code, _, err = command("train", spec, "--out", tmp_path / "run2", "--device", "cpu", "--threads", "1")
    assert code == 4
    assert "2 image files cannot be used" in err
    assert not (tmp_path / "run2").exists()
