"""Augmentation of training images as a function of (seed, epoch, index), alone and in the stream of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from hvaedsl.ir.augment_spec import AugmentSpec
from hvaedsl.ir.image_size import ImageSize
from hvaedsl_runtime.data import Augmentation, ImageSet, Preparation, augmentation, epochs_of, index_stream
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.data.seeded import augmentation_words
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.train.batches import TrainingBatches
from tests.runtime.data.augmented_images import SHAPE, at, augmented, by_hand

CPU = torch.device("cpu")
AS_THEY_ARE = Preparation(shift=0.0, scale=1.0, levels=256, binarize="none", bits=None)


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("epoch", [0, 1, 70])
def test_windows_and_flips_are_those_written_out(
    centers: ImageSet, stored_pixels: Pixels, epoch: int, flips: bool
) -> None:
    found = augmented(centers, random_crop=ImageSize(9, 12), horizontal_flip=flips)(*at(epoch))
    np.testing.assert_array_equal(found, by_hand(stored_pixels, epoch, flips=flips))


def test_a_flip_alone_changes_nothing_else(make_set: Any, stored_pixels: Pixels) -> None:
    found = augmented(make_set(stored_pixels), horizontal_flip=True)(*at(0))
    is_flipped = np.array([augmentation_words(3, 0, index)[2] % 2 == 1 for index in range(30)])
    assert 5 < is_flipped.sum() < 25
    np.testing.assert_array_equal(found[is_flipped], stored_pixels[is_flipped][:, :, ::-1])
    np.testing.assert_array_equal(found[~is_flipped], stored_pixels[~is_flipped])


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


def test_the_batch_does_not_matter(centers: ImageSet) -> None:
    changed = augmented(centers, random_crop=ImageSize(9, 12), horizontal_flip=True)
    indices, epochs = np.array([7, 2, 7, 29]), np.array([0, 0, 1, 4])
    together = changed(indices, epochs)
    for position in range(4):
        one = slice(position, position + 1)
        np.testing.assert_array_equal(changed(indices[one], epochs[one])[0], together[position])
    assert (together[0] != together[2]).any()


def test_only_training_images_are_augmented(make_set: Any, stored_pixels: Pixels) -> None:
    with pytest.raises(ValueError, match="only training images"):
        augmentation(AugmentSpec(horizontal_flip=True), make_set(stored_pixels, split="test"), 0)


# --- the stream of a run


def batches(images: ImageSet, changed: Augmentation | None, rank: int, world: int, size: int) -> TrainingBatches:
    return TrainingBatches(
        images,
        AS_THEY_ARE,
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
        reader = batches(images, changed, rank, world, size)
        found.append(np.stack([next(reader(step)(size // world)).x.numpy() for step in steps]))
        reader.close()
    return np.concatenate(found, axis=1)


def test_the_stream_is_that_of_one_process_and_goes_on_within_an_epoch(centers: ImageSet, functions: str) -> None:
    doubled = f"{functions}:doubled"
    keys: dict[str, Any] = {"random_crop": ImageSize(9, 12), "horizontal_flip": True, "function": doubled}
    changed = augmented(centers, **keys)
    whole = stream(centers, changed, 1, range(12))
    np.testing.assert_array_equal(stream(centers, changed, 2, range(12)), whole)
    np.testing.assert_array_equal(stream(centers, changed, 4, range(12)), whole)
    # 30 images and 8 a step: step 5 is within the second epoch, and step 3 is in two of them.
    for first in (3, 5):
        np.testing.assert_array_equal(stream(centers, augmented(centers, **keys), 1, range(first, 12)), whole[first:])

    indices, epochs = index_stream(30, 3, 0, 96), epochs_of(30, 0, 96)
    assert (epochs == np.repeat(np.arange(4), 30)[:96]).all()
    np.testing.assert_array_equal(changed(indices, epochs), whole.reshape(-1, *SHAPE))


def test_without_the_section_the_stream_is_that_of_the_images(make_set: Any, stored_pixels: Pixels) -> None:
    images = make_set(stored_pixels)
    assert augmentation(AugmentSpec(), images, 3) is None
    reader = batches(images, None, 0, 1, 8)
    found = next(reader(2)(8)).x.numpy()
    reader.close()
    np.testing.assert_array_equal(found, stored_pixels[index_stream(30, 3, 16, 8)])
