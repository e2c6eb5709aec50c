"""Random draws that depend on seeds alone: the order and the augmentation of training images, fixed binarization.

All are functions of their arguments, without a state to save, from numpy's SeedSequence and PCG64, the same on
every platform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from hvaedsl_runtime.data.images import Indices, Split

# Equal seeds for different purposes must not give the same numbers.
ORDER = 1
BINARIZATION: Mapping[Split, int] = {"test": 2, "validation": 3, "train": 4}
AUGMENTATION = 5


def index_stream(length: int, seed: int, start: int, count: int) -> Indices:
    """Return elements `start` to `start + count` of an infinite stream of indices below `length`, int64 [count].

    The stream is a sequence of permutations: epoch e, elements e * length to (e + 1) * length, is shuffled with
    (seed, e). The batch of a step is therefore a function of seed and step, also after a run is resumed.
    Raises ValueError for a length below 1, or a negative seed, start or count.
    """
    if length < 1 or min(seed, start, count) < 0:
        raise ValueError(
            f"length is {length}, seed {seed}, start {start}, count {count}; "
            "length must be positive, the others must not be negative"
        )

    stop = start + count
    pieces = [
        _permutation(length, seed, epoch)[max(start - epoch * length, 0) : stop - epoch * length]
        for epoch in range(start // length, -(-stop // length))
    ]
    return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int64)


def fixed_uniform(
    seed: int, split: Split, indices: Sequence[int] | npt.NDArray[np.integer], shape: tuple[int, int, int]
) -> torch.Tensor:
    """Draw uniform numbers in [0, 1) for images of a split, float32 [B, H, W, C]; `shape` is (H, W, C).

    An image's draws depend on seed, split and index alone, not on the batch: a test set is binarized the same way in
    every evaluation. Raises ValueError for a negative seed or index.
    """
    draws = np.empty((len(indices), *shape), dtype=np.float32)
    for image, index in zip(draws, indices, strict=True):
        _generator(seed, int(index), BINARIZATION[split]).random(dtype=np.float32, out=image)
    return torch.from_numpy(draws)


def epochs_of(length: int, start: int, count: int) -> Indices:
    """Return the epochs of elements `start` to `start + count` of `index_stream`, int64 [count]."""
    return np.arange(start, start + count, dtype=np.int64) // length


def augmentation_words(seed: int, epoch: int, index: int) -> tuple[int, int, int, int]:
    """Draw four uniform integers below 2**64 for the training image at `index` in an epoch.

    Raises ValueError for a negative argument.
    """
    sequence = np.random.SeedSequence((seed, epoch, index), spawn_key=(AUGMENTATION,))
    first, second, third, fourth = sequence.generate_state(4, np.uint64).tolist()
    return first, second, third, fourth


# Two, because a batch may reach from one epoch into the next.
@lru_cache(maxsize=2)
def _permutation(length: int, seed: int, epoch: int) -> Indices:
    permutation = _generator(seed, epoch, ORDER).permutation(length).astype(np.int64)
    permutation.flags.writeable = False  # slices of the cached array are returned
    return permutation


def _generator(seed: int, number: int, purpose: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, number), spawn_key=(purpose,))))
