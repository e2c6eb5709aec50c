"""Augmentation of training images: windows, flips and custom functions, as functions of (seed, epoch, index)."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hvaedsl.diagnostics.errors import InvalidData, RunError
from hvaedsl.ir.augment_spec import AugmentSpec
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data import (
    Augmentation,
    ImageSet,
    augmentation,
    differences,
    epochs_of,
    fingerprint,
    index_stream,
    open_split,
    remarks,
)
from hvaedsl_runtime.data.given_images import given_images
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.data.prepare import prepare
from hvaedsl_runtime.data.seeded import augmentation_words
from hvaedsl_runtime.data.windows import CenterWindows, centered
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.train.batches import TrainingBatches
from tests.runtime.data.image_folders import everything, write

CPU = torch.device("cpu")
STORED = (9, 12, 1)
SHAPE = (6, 10, 1)

FUNCTIONS = """
import numpy as np
import random
import torch

def doubled(image, generator):
    return image * 2

def drawn(image, generator):
    image[...] = torch.randint(0, 256, image.shape, generator=generator).numpy()
    return image

def as_tensor(image, generator):
    return torch.from_numpy(image).flip(0)

def turned(image, generator):
    return image.transpose(1, 0, 2)

def scaled(image, generator):
    return image / 255

def nothing(image, generator):
    image += 1

def fails(image, generator):
    raise KeyError("no such color")

def too_high(image, generator):
    return np.full_like(image, 17)

def own_numbers(image, generator):
    return np.full_like(image, random.randrange(256))

not_a_function = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "changes_of_images.py").write_text(FUNCTIONS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "changes_of_images", raising=False)
    return "changes_of_images"


@pytest.fixture
def pixels() -> Pixels:
    """30 images of the stored shape."""
    return np.random.default_rng(0).integers(0, 256, (30, *STORED), dtype=np.uint8)


@pytest.fixture
def images(make_set: Any, pixels: Pixels) -> ImageSet:
    """Their centers, as training opens them."""
    return centered(make_set(pixels), SHAPE)


def augmented(images: ImageSet, seed: int = 3, **keys: Any) -> Augmentation:
    return Augmentation(AugmentSpec(**keys), images, seed)


def at(epoch: int, count: int = 30) -> tuple[Any, Any]:
    return np.arange(count), np.full(count, epoch)


# --- windows and flips


def by_hand(pixels: Pixels, seed: int, epoch: int, *, flips: bool, shape: tuple[int, ...] = SHAPE) -> Pixels:
    """The images of an epoch, written out."""
    found = np.empty((len(pixels), *shape), dtype=pixels.dtype)
    for index, stored in enumerate(pixels):
        rows, columns, flip, _ = augmentation_words(seed, epoch, index)
        top, left = rows % (stored.shape[0] - shape[0] + 1), columns % (stored.shape[1] - shape[1] + 1)
        for row in range(shape[0]):
            for column in range(shape[1]):
                source = shape[1] - 1 - column if flips and flip % 2 else column
                found[index, row, column] = stored[top + row, left + source]
    return found


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("epoch", [0, 1, 70])
def test_windows_and_flips_are_those_written_out(images: ImageSet, pixels: Pixels, epoch: int, flips: bool) -> None:
    found = augmented(images, random_crop=ImageSize(9, 12), horizontal_flip=flips)(*at(epoch))
    np.testing.assert_array_equal(found, by_hand(pixels, 3, epoch, flips=flips))


def test_a_flip_alone_changes_nothing_else(make_set: Any, pixels: Pixels) -> None:
    found = augmented(make_set(pixels), horizontal_flip=True)(*at(0))
    is_flipped = np.array([augmentation_words(3, 0, index)[2] % 2 == 1 for index in range(30)])
    assert 5 < is_flipped.sum() < 25
    np.testing.assert_array_equal(found[is_flipped], pixels[is_flipped][:, :, ::-1])
    np.testing.assert_array_equal(found[~is_flipped], pixels[~is_flipped])


def test_every_window_is_drawn_equally_often_and_half_of_the_images_are_flipped() -> None:
    words = np.array([augmentation_words(0, epoch, index) for epoch in range(40) for index in range(100)], dtype=object)
    windows = np.stack([words[:, 0] % 4, words[:, 1] % 3, words[:, 2] % 2], axis=1).astype(np.int64)
    for column, size in enumerate((4, 3, 2)):
        counts = np.bincount(windows[:, column], minlength=size)
        # Five standard deviations of a binomial count.
        assert np.abs(counts - 4000 / size).max() < 5 * np.sqrt(4000 / size * (1 - 1 / size)), counts
    assert abs(np.corrcoef(windows.T) - np.eye(3)).max() < 0.1
    assert len(set(map(tuple, words))) == 4000


def test_seed_epoch_and_index_each_change_the_draws() -> None:
    assert len({augmentation_words(*key) for key in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2**40, 0, 0))}) == 5
    with pytest.raises(ValueError, match="non-negative"):
        augmentation_words(0, -1, 0)


def test_the_batch_does_not_matter(images: ImageSet) -> None:
    changed = augmented(images, random_crop=ImageSize(9, 12), horizontal_flip=True)
    indices, epochs = np.array([7, 2, 7, 29]), np.array([0, 0, 1, 4])
    together = changed(indices, epochs)
    for position in range(4):
        one = slice(position, position + 1)
        np.testing.assert_array_equal(changed(indices[one], epochs[one])[0], together[position])
    assert (together[0] != together[2]).any()


def test_large_images_are_read_a_few_at_a_time(
    images: ImageSet, pixels: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = augmented(images, random_crop=ImageSize(9, 12))(*at(0))
    monkeypatch.setattr("hvaedsl_runtime.data.images.VALUES_PER_CHUNK", 7 * 9 * 12)
    read: list[int] = []

    class Counted:
        def __len__(self) -> int:
            return len(pixels)

        def read(self, indices: Any) -> Pixels:
            read.append(len(indices))
            found: Pixels = pixels[indices]
            return found

    object.__setattr__(images.images, "stored", Counted())
    np.testing.assert_array_equal(augmented(images, random_crop=ImageSize(9, 12))(*at(0)), whole)
    everything(images)
    assert read == [7, 7, 7, 7, 2] * 2


# --- the stored images


@pytest.mark.parametrize("channels", [1, 3])
def test_all_but_training_takes_the_center(make_spec: Any, tmp_path: Path, channels: int) -> None:
    stored = np.random.default_rng(1).integers(0, 256, (12, 9, 13, channels), dtype=np.uint8)
    for name in ("train", "validation", "test"):
        np.save(tmp_path / f"{name}.npy", stored)
    spec: DataSpec = make_spec("npy", path=str(tmp_path), resolution=ImageSize(6, 10), channels=channels)
    for split in ("train", "validation", "test"):
        found = open_split(spec, split, size=ImageSize(9, 13))
        assert found.shape == (6, 10, channels)
        np.testing.assert_array_equal(everything(found), stored[:, 1:7, 1:11])
        np.testing.assert_array_equal(np.concatenate([*found.chunks()]), stored[:, 1:7, 1:11])
        assert found.counted_levels().sum() == 12 * 60 * channels
    assert found.batch([]).shape == (0, 6, 10, channels)


def test_a_crop_of_the_models_size_is_none(make_spec: Any) -> None:
    found = open_split(make_spec(), "train", size=8)
    assert not isinstance(found.images, CenterWindows)
    assert augmentation(AugmentSpec(random_crop=8), found, 0) is None


def test_a_folder_is_fitted_to_the_crop_and_equals_its_prepared_images(make_spec: Any, tmp_path: Path) -> None:
    for name, count in (("train", 5), ("test", 3)):
        write(tmp_path / "raw" / name, np.random.default_rng(count).integers(0, 256, (count, 18, 30, 1), np.uint8))
    size = ImageSize(9, 12)
    spec: DataSpec = make_spec("folder", path=str(tmp_path / "raw"), resolution=ImageSize(6, 10), validation=0)
    raw = open_split(spec, "train", size=size)
    fitted = everything(open_split(spec.model_copy(update={"resolution": size}), "train"))
    np.testing.assert_array_equal(everything(raw), fitted[:, 1:7, 1:11])
    assert remarks(raw) == ("5 training images: 5 cropped to the center, 5 resized",)

    bar = lambda *_: nullcontext(lambda _: None)  # noqa: E731
    at_crop = spec.model_copy(update={"resolution": size})
    prepare(at_crop, tmp_path / "raw", tmp_path / "prepared", overwrite=False, bar=bar)
    of_prepared = spec.model_copy(update={"path": str(tmp_path / "prepared")})
    prepared = open_split(of_prepared, "train", size=size)
    np.testing.assert_array_equal(everything(prepared), everything(raw))
    # The manifest counts the levels of whole images, not those of the centers.
    np.testing.assert_array_equal(prepared.counted_levels(), raw.counted_levels())
    for images in (raw, prepared):
        changed = augmented(images, random_crop=size)(*at(2, 5))
        np.testing.assert_array_equal(changed, by_hand(fitted, 3, 2, flips=False))

    with pytest.raises(InvalidData, match="the images are 9x12x1; the spec needs 10x12x1") as caught:
        open_split(of_prepared, "train", size=ImageSize(10, 12))
    assert caught.value.help.startswith("correct train.augment.random_crop and data.channels")


@pytest.mark.parametrize(
    ("stored", "way_out"),
    [
        ((8, 11), "set train.augment.random_crop to (8, 11), the size of these images, or give images of its size"),
        ((12, 12), "set train.augment.random_crop to (12, 12), the size of these images, or give images of its size"),
        ((5, 20), "give images of its size; a crop of these would be smaller than the model's images, 6x10"),
    ],
)
def test_a_crop_that_arrays_do_not_have_is_one_message(
    make_spec: Any, tmp_path: Path, stored: tuple[int, int], way_out: str
) -> None:
    np.save(tmp_path / "all.npy", np.zeros((20, *stored, 1), dtype=np.uint8))
    spec: DataSpec = make_spec("npy", path=str(tmp_path), resolution=ImageSize(6, 10))
    expected = r"\[N, 9, 12, 1\] \(from train\.augment\.random_crop\)$"
    with pytest.raises(InvalidData, match=expected) as caught:
        open_split(spec, "train", size=ImageSize(9, 12))
    assert caught.value.help == way_out


def test_a_change_outside_of_the_center_is_another_dataset(images: ImageSet, pixels: Pixels) -> None:
    before = fingerprint(images)
    pixels[0, 0, 0] += 1
    assert differences({"train": before}, {"train": fingerprint(images)})


def test_images_that_are_given_to_a_run_are_fitted_as_its_own(make_spec: Any, tmp_path: Path) -> None:
    write(tmp_path / "given", np.random.default_rng(0).integers(0, 256, (3, 20, 24, 1), dtype=np.uint8))
    spec: DataSpec = make_spec("folder", path=str(tmp_path), resolution=ImageSize(6, 10), validation=0)
    found = given_images([tmp_path / "given"], spec, ImageSize(9, 12))
    whole = given_images([tmp_path / "given"], spec.model_copy(update={"resolution": ImageSize(9, 12)}))
    np.testing.assert_array_equal(everything(found.images), everything(whole.images)[:, 1:7, 1:11])
    assert found.changes() == whole.changes() == "3 cropped to the center, 3 resized"


# --- functions


def test_a_function_gets_the_window_after_the_flip_in_the_files_dtype(make_set: Any, module: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**11, (30, *STORED), dtype=np.uint16)
    images = centered(make_set(pixels, levels=2**12), SHAPE)
    found = augmented(images, random_crop=12, horizontal_flip=True, function=f"{module}:doubled")(*at(1))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, 2 * by_hand(pixels, 3, 1, flips=True))


def test_its_generator_is_seeded_by_seed_epoch_and_index(images: ImageSet, module: str) -> None:
    found = augmented(images, function=f"{module}:drawn")(*at(5))
    for index in (0, 17):
        generator = torch.Generator().manual_seed(augmentation_words(3, 5, index)[3])
        expected = torch.randint(0, 256, SHAPE, generator=generator).numpy()
        np.testing.assert_array_equal(found[index], expected)
    again, other_seed, other_epoch = (
        augmented(images, seed, function=f"{module}:drawn")(*at(epoch)) for seed, epoch in ((3, 5), (4, 5), (3, 6))
    )
    np.testing.assert_array_equal(found, again)
    assert (found != other_seed).any(axis=(1, 2, 3)).all()
    assert (found != other_epoch).any(axis=(1, 2, 3)).all()


def test_a_function_can_not_change_the_stored_images(images: ImageSet, pixels: Pixels, module: str) -> None:
    before = pixels.copy()
    augmented(images, function=f"{module}:drawn")(*at(0))
    np.testing.assert_array_equal(pixels, before)


def test_a_function_may_return_a_tensor(make_set: Any, pixels: Pixels, module: str) -> None:
    found = augmented(make_set(pixels), function=f"{module}:as_tensor")(*at(0))
    np.testing.assert_array_equal(found, pixels[:, ::-1])


@pytest.mark.parametrize(
    ("name", "message", "way_out"),
    [
        ("turned", r"it returned uint8 \[10, 6, 1\]; it must return uint8 \[6, 10, 1\], as it gets", "docs/custom.md"),
        ("scaled", r"it returned float64 \[6, 10, 1\]; it must return uint8", "docs/custom.md"),
        ("nothing", "it returned None; it must return uint8", "docs/custom.md"),
        ("fails", r"it fails: KeyError: 'no such color' \(changes_of_images\.py, line \d+\)", "docs/custom.md"),
        ("own_numbers", "two calls with equal arguments returned different images", "torch.Generator"),
        ("not_a_function", "is of type int; it must be a function", "docs/custom.md"),
        ("missing", "cannot be used: changes_of_images has no missing", "the module is"),
    ],
)
def test_a_function_that_does_not_fit_is_told_before_training(
    images: ImageSet, module: str, name: str, message: str, way_out: str
) -> None:
    with pytest.raises(InvalidData, match=message) as caught:
        augmentation(AugmentSpec(function=f"{module}:{name}"), images, 0)
    assert f"train.augment.function, `{module}:{name}`" in str(caught.value)
    assert way_out in caught.value.help


def test_values_out_of_range_are_told_with_index_and_file(make_spec: Any, tmp_path: Path, module: str) -> None:
    write(tmp_path / "images", np.zeros((20, 8, 8, 1), dtype=np.uint8))
    spec: DataSpec = make_spec("folder", path=str(tmp_path / "images"), levels=17)
    images = open_split(spec, "train")
    changed = augmented(images, function=f"{module}:too_high")
    file = f"{images.members[4]:03}.png"
    with pytest.raises(RunError, match=rf"on training image 4 \(.*{file}\) in epoch 2: it returned the value 17; "):
        changed(np.array([4]), np.array([2]))


def test_the_function_of_the_examples(make_set: Any, pixels: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = Path(__file__).parents[3] / "examples"
    monkeypatch.syspath_prepend(str(examples))
    found = augmentation(AugmentSpec(function="custom_augmentation:brightness"), make_set(pixels), 0)
    assert found is not None
    ratio = found(*at(0)).astype(float)[pixels >= 50] / pixels[pixels >= 50]
    assert ratio.min() < 0.85 < 1.15 < ratio.max()
    page = (examples.parent / "docs" / "custom.md").read_text(encoding="utf-8")
    assert (examples / "custom_augmentation.py").read_text(encoding="utf-8").partition("\n\n\n")[2] in page


def test_only_training_images_are_augmented(make_set: Any, pixels: Pixels) -> None:
    with pytest.raises(ValueError, match="only training images"):
        augmentation(AugmentSpec(horizontal_flip=True), make_set(pixels, split="test"), 0)


# --- the stream of a run


class Unprepared:
    """Images as they are, for batches whose pixels are compared."""

    needs_uniform = False

    def __call__(self, images: torch.Tensor, **_: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return images, images


def batches(images: ImageSet, changed: Augmentation | None, rank: int, world: int, size: int) -> TrainingBatches:
    return TrainingBatches(
        images,
        Unprepared(),  # type: ignore[arg-type]
        seed=3,
        batch_size=size,
        processes=Processes(rank, world, CPU),
        dtype=torch.float32,
        augmentation=changed,
    )


def stream(images: ImageSet, changed: Augmentation, world: int, steps: range, size: int = 8) -> Pixels:
    """The images of steps, over all processes."""
    found = []
    for rank in range(world):
        reader = batches(images, changed, rank, world, size // world)
        found.append(np.stack([reader(step)[0].numpy() for step in steps]))
        reader.close()
    return np.concatenate(found, axis=1)


def test_the_stream_is_that_of_one_process_and_goes_on_within_an_epoch(images: ImageSet, module: str) -> None:
    keys: dict[str, Any] = {"random_crop": ImageSize(9, 12), "horizontal_flip": True, "function": f"{module}:doubled"}
    changed = augmented(images, **keys)
    whole = stream(images, changed, 1, range(12))
    np.testing.assert_array_equal(stream(images, changed, 2, range(12)), whole)
    np.testing.assert_array_equal(stream(images, changed, 4, range(12)), whole)
    # 30 images and 8 a step: step 5 is within the second epoch, and step 3 is in two of them.
    for first in (3, 5):
        np.testing.assert_array_equal(stream(images, augmented(images, **keys), 1, range(first, 12)), whole[first:])

    indices, epochs = index_stream(30, 3, 0, 96), epochs_of(30, 0, 96)
    assert (epochs == np.repeat(np.arange(4), 30)[:96]).all()
    np.testing.assert_array_equal(changed(indices, epochs), whole.reshape(-1, *SHAPE))


def test_without_the_section_the_stream_is_that_of_the_images(make_set: Any, pixels: Pixels) -> None:
    images = make_set(pixels)
    assert augmentation(AugmentSpec(), images, 3) is None
    reader = batches(images, None, 0, 1, 8)
    found = reader(2)[0].numpy()
    reader.close()
    np.testing.assert_array_equal(found, pixels[index_stream(30, 3, 16, 8)])
