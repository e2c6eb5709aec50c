"""`function = "my:f"` of `train.augment`: what it gets, what it may return, and the error of one that does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hvaedsl.diagnostics.errors import InvalidData, RunError
from hvaedsl.ir.augment_spec import AugmentSpec
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data import ImageSet, augmentation, open_split
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.data.seeded import augmentation_words
from hvaedsl_runtime.data.windows import centered
from tests.runtime.data.augmented_images import SHAPE, STORED, at, augmented, by_hand
from tests.runtime.data.image_folders import write


def test_a_function_gets_the_window_after_the_flip_in_the_files_dtype(make_set: Any, functions: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**11, (30, *STORED), dtype=np.uint16)
    images = centered(make_set(pixels, levels=2**12), SHAPE)
    found = augmented(images, random_crop=12, horizontal_flip=True, function=f"{functions}:doubled")(*at(1))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, 2 * by_hand(pixels, 1, flips=True))


def test_its_generator_is_seeded_by_seed_epoch_and_index(centers: ImageSet, functions: str) -> None:
    found = augmented(centers, function=f"{functions}:drawn")(*at(5))
    for index in (0, 17):
        generator = torch.Generator().manual_seed(augmentation_words(3, 5, index)[3])
        expected = torch.randint(0, 256, SHAPE, generator=generator).numpy()
        np.testing.assert_array_equal(found[index], expected)
    again, other_seed, other_epoch = (
        augmented(centers, seed, function=f"{functions}:drawn")(*at(epoch)) for seed, epoch in ((3, 5), (4, 5), (3, 6))
    )
    np.testing.assert_array_equal(found, again)
    assert (found != other_seed).any(axis=(1, 2, 3)).all()
    assert (found != other_epoch).any(axis=(1, 2, 3)).all()


def test_a_function_can_not_change_the_stored_images(centers: ImageSet, stored_pixels: Pixels, functions: str) -> None:
    before = stored_pixels.copy()
    augmented(centers, function=f"{functions}:drawn")(*at(0))
    np.testing.assert_array_equal(stored_pixels, before)


def test_a_function_may_return_a_tensor(make_set: Any, stored_pixels: Pixels, functions: str) -> None:
    found = augmented(make_set(stored_pixels), function=f"{functions}:as_tensor")(*at(0))
    np.testing.assert_array_equal(found, stored_pixels[:, ::-1])


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
    centers: ImageSet, functions: str, name: str, message: str, way_out: str
) -> None:
    with pytest.raises(InvalidData, match=message) as caught:
        augmentation(AugmentSpec(function=f"{functions}:{name}"), centers, 0)
    assert f"train.augment.function, `{functions}:{name}`" in str(caught.value)
    assert way_out in caught.value.help


def test_values_out_of_range_are_told_with_index_and_file(make_spec: Any, tmp_path: Path, functions: str) -> None:
    write(tmp_path / "images", np.zeros((20, 8, 8, 1), dtype=np.uint8))
    spec: DataSpec = make_spec("folder", path=str(tmp_path / "images"), levels=17)
    images = open_split(spec, "train")
    changed = augmented(images, function=f"{functions}:too_high")
    file = f"{images.members[4]:03}.png"
    with pytest.raises(RunError, match=rf"on training image 4 \(.*{file}\) in epoch 2: it returned the value 17; "):
        changed(np.array([4]), np.array([2]))


def test_the_function_of_the_examples(make_set: Any, stored_pixels: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = Path(__file__).parents[3] / "examples"
    monkeypatch.syspath_prepend(str(examples))
    found = augmentation(AugmentSpec(function="custom_augmentation:brightness"), make_set(stored_pixels), 0)
    assert found is not None
    ratio = found(*at(0)).astype(float)[stored_pixels >= 50] / stored_pixels[stored_pixels >= 50]
    assert ratio.min() < 0.85 < 1.15 < ratio.max()
    page = (examples.parent / "docs" / "custom.md").read_text(encoding="utf-8")
    assert (examples / "custom_augmentation.py").read_text(encoding="utf-8").partition("\n\n\n")[2] in page
