"""The likelihood of the simplest models of images, as baselines."""

from __future__ import annotations

from math import log, pi, prod, sqrt

import numpy as np
import numpy.typing as npt
import torch

from hvaedsl.nn.likelihoods.logistic import exact_logistic_log_prob, half_width_of_levels
from hvaedsl_runtime.data.images import ImageSet
from hvaedsl_runtime.data.reals import Moments

# The least standard deviation of a normal, as a multiple of that of its channel.
LEAST_STD = 1e-3


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
        np.add.at(counts, chunk.astype(np.int64).reshape(len(chunk), dimensions) + offsets, 1)
    return counts.reshape(dimensions, images.levels)


def logistic_baseline_bits_per_dim(train: ImageSet, test: ImageSet) -> float:
    """Return the bits per dimension of `test` under independent discretized logistics, fitted to `train`.

    Every position and channel has one with the mean and the standard deviation of its levels, the latter at least one
    level. Memory does not grow with the number of levels, as that of histograms does.
    """
    positions = Moments(axes=(0,))
    for chunk in train.chunks():
        positions.add(chunk)
    mean, std = positions.mean, np.maximum(1.0, positions.std)

    # On the scale of the targets, where the levels are from -1 to 1. The scale of a logistic is sqrt(3) / pi of its
    # standard deviation.
    half, nats = (test.levels - 1) / 2, 0.0
    center, log_scale = torch.from_numpy(mean / half - 1), torch.from_numpy(np.log(std * sqrt(3) / (pi * half)))
    for chunk in test.chunks():
        x = torch.from_numpy(chunk / half - 1)
        nats -= float(exact_logistic_log_prob(x, center, log_scale, half_width_of_levels(test.levels)).sum())
    return nats / (log(2) * len(test) * prod(test.shape))


def normal_baseline_nats_per_dim(train: ImageSet, test: ImageSet) -> float:
    """Return the nats per dimension of the density of `test` under independent normals, fitted to `train`.

    Every position and channel has one with the mean and the standard deviation of its values, the latter at least a
    thousandth of that of the channel. The density is that of the values in the file.
    """
    positions, channels = Moments(axes=(0,)), Moments(axes=(0, 1, 2))
    for chunk in train.chunks():
        positions.add(chunk)
        channels.add(chunk)
    std = np.maximum(positions.std, LEAST_STD * channels.std)

    nats = 0.0
    for chunk in test.chunks():
        standard = (chunk.astype(np.float64) - positions.mean) / std
        nats += float((0.5 * standard**2).sum())
    return nats / (len(test) * prod(test.shape)) + float(np.log(std).mean()) + 0.5 * log(2 * pi)
