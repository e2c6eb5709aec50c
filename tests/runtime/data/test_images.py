from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hvaedsl.diagnostics.errors import RunError
from hvaedsl_runtime.data import images as images_module
from hvaedsl_runtime.data.images import ArrayImages, array_images, image_set


def test_a_batch_keeps_the_order_and_the_repeats_of_its_indices(make_spec: Any, make_images: Any) -> None:
    pixels = make_images(20)
    subset = image_set(make_spec("npy"), "train", ArrayImages(pixels), np.array([3, 5, 7, 11]))
    batch = subset.batch([3, 0, 3, 1])
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch, pixels[[11, 3, 11, 5]])
    assert subset.batch([]).shape == (0, 8, 8, 1)


def test_an_index_outside_the_split_is_an_error_though_the_array_has_more(make_spec: Any, make_images: Any) -> None:
    subset = image_set(make_spec("npy"), "train", ArrayImages(make_images(20)), np.array([3, 5]))
    with pytest.raises(IndexError):
        subset.batch([2])


def test_chunks_are_bounded_and_cover_every_image_once(
    make_set: Any, make_images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = make_images(10)
    monkeypatch.setattr(images_module, "VALUES_PER_CHUNK", 64 * 3)
    chunks = list(make_set(pixels).chunks())
    assert [len(chunk) for chunk in chunks] == [3, 3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(chunks), pixels)


def test_an_empty_split_says_which_key_decides(make_spec: Any, make_images: Any) -> None:
    with pytest.raises(RunError, match="no validation images") as caught:
        image_set(make_spec("npy", validation=0), "validation", ArrayImages(make_images(3)), np.arange(0))
    assert caught.value.exit_code == 4
    assert "data.validation" in caught.value.help


@pytest.mark.parametrize(
    ("pixels", "found"),
    [
        (np.zeros((3, 8, 8, 1), dtype=np.float32), "float32"),
        (np.zeros((3, 8, 8), dtype=np.uint8), r"\[3, 8, 8\]"),
        (np.zeros((3, 1, 8, 8), dtype=np.uint8), r"\[3, 1, 8, 8\]"),
        (np.zeros((3, 8, 8, 3), dtype=np.uint8), r"\[3, 8, 8, 3\]"),
        (np.zeros((3, 9, 9, 1), dtype=np.uint8), r"\[3, 9, 9, 1\]"),
        (np.zeros((0, 8, 8, 1), dtype=np.uint8), "no image"),
    ],
)
def test_what_does_not_fit_the_spec_is_told_with_place_found_and_wanted(
    make_spec: Any, pixels: Any, found: str
) -> None:
    with pytest.raises(RunError, match=rf"^some/file\.npy: the array has .*{found}.*must be uint8 \[N, 8") as caught:
        array_images(pixels, make_spec("npy"), "some/file.npy")
    assert caught.value.exit_code == 4


def test_values_must_lie_below_the_levels(make_spec: Any) -> None:
    pixels = np.zeros((3, 8, 8, 1), dtype=np.uint8)
    pixels[2, 7, 7, 0] = 16
    assert len(array_images(pixels, make_spec("npy", levels=17), "a.npy")) == 3
    with pytest.raises(RunError, match=r"a\.npy: the highest value is 16; values must be 0 to 15"):
        array_images(pixels, make_spec("npy", levels=16), "a.npy")
