"""The likelihood of the simplest model of images, as a baseline."""

from __future__ import annotations

from math import prod

import numpy as np
import numpy.typing as npt

from hvaedsl_runtime.data.images import ImageSet


def histogram_baseline_bits_per_dim(train: ImageSet, test: ImageSet) -> float:
    """Return the bits per dimension of `test` under independent pixel histograms, fitted to `train`.

    Every position and channel has its own histogram of levels, with one added to each count. Memory: two tables of
    H * W * C * levels counts (6 MiB each for 32x32 color images).
    Raises ValueError if the two sets differ in shape or levels.
    """
    if (train.shape, train.levels) != (test.shape, test.levels):
        raise ValueError(
            f"the training images are {train.shape} with {train.levels} levels, "
            f"the test images {test.shape} with {test.levels}"
        )

    probabilities = (_level_counts(train) + 1) / (len(train) + train.levels)
    bits = -np.sum(_level_counts(test) * np.log2(probabilities))
    return float(bits / (len(test) * prod(test.shape)))


def _level_counts(images: ImageSet) -> npt.NDArray[np.int64]:
    """Count how often each level occurs at each position and channel, [H * W * C, levels]."""
    dimensions = prod(images.shape)
    offsets = np.arange(dimensions) * images.levels
    counts = np.zeros(dimensions * images.levels, dtype=np.int64)
    for chunk in images.chunks():
        # In place: np.bincount would allocate a whole table for each chunk.
        np.add.at(counts, chunk.reshape(len(chunk), dimensions) + offsets, 1)
    return counts.reshape(dimensions, images.levels)
