"""Images stored at the size of `random_crop`: their centers, which all but training takes, and where they come from."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvaedsl.diagnostics.errors import InvalidData
from hvaedsl.ir.augment_spec import AugmentSpec
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data import ImageSet, augmentation, differences, fingerprint, open_split, remarks
from hvaedsl_runtime.data.given_images import given_images
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.data.prepare import prepare
from hvaedsl_runtime.data.windows import CenterWindows
from tests.runtime.data.augmented_images import at, augmented, by_hand
from tests.runtime.data.image_folders import everything, write


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

    at_crop = spec.model_copy(update={"resolution": size})
    prepare(
        at_crop, tmp_path / "raw", tmp_path / "prepared", overwrite=False, bar=lambda *_: nullcontext(lambda _: None)
    )
    of_prepared = spec.model_copy(update={"path": str(tmp_path / "prepared")})
    prepared = open_split(of_prepared, "train", size=size)
    np.testing.assert_array_equal(everything(prepared), everything(raw))
    # The manifest counts the levels of whole images, not those of the centers.
    np.testing.assert_array_equal(prepared.counted_levels(), raw.counted_levels())
    for images in (raw, prepared):
        changed = augmented(images, random_crop=size)(*at(2, 5))
        np.testing.assert_array_equal(changed, by_hand(fitted, 2, flips=False))

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


def test_a_change_outside_of_the_center_is_another_dataset(centers: ImageSet, stored_pixels: Pixels) -> None:
    before = fingerprint(centers)
    stored_pixels[0, 0, 0] += 1
    assert differences({"train": before}, {"train": fingerprint(centers)})


def test_images_that_are_given_to_a_run_are_fitted_as_its_own(make_spec: Any, tmp_path: Path) -> None:
    write(tmp_path / "given", np.random.default_rng(0).integers(0, 256, (3, 20, 24, 1), dtype=np.uint8))
    spec: DataSpec = make_spec("folder", path=str(tmp_path), resolution=ImageSize(6, 10), validation=0)
    found = given_images([tmp_path / "given"], spec, ImageSize(9, 12))
    whole = given_images([tmp_path / "given"], spec.model_copy(update={"resolution": ImageSize(9, 12)}))
    np.testing.assert_array_equal(everything(found.images), everything(whole.images)[:, 1:7, 1:11])
    assert found.changes() == whole.changes() == "3 cropped to the center, 3 resized"


def test_large_images_are_read_a_few_at_a_time(
    centers: ImageSet, stored_pixels: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = augmented(centers, random_crop=ImageSize(9, 12))(*at(0))
    monkeypatch.setattr("hvaedsl_runtime.data.images.VALUES_PER_CHUNK", 7 * 9 * 12)
    read: list[int] = []

    class Counted:
        def __len__(self) -> int:
            return len(stored_pixels)

        def read(self, indices: Any) -> Pixels:
            read.append(len(indices))
            found: Pixels = stored_pixels[indices]
            return found

    object.__setattr__(centers.images, "stored", Counted())
    np.testing.assert_array_equal(augmented(centers, random_crop=ImageSize(9, 12))(*at(0)), whole)
    everything(centers)
    assert read == [7, 7, 7, 7, 2] * 2
