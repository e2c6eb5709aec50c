"""Which image belongs to which split: a function of the number of images and of the split's seed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hvaedsl.errors import RunError
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import Indices, Split

# openai/vdvae's split of the CIFAR-10 training set.
CIFAR10_VALIDATION = 5_000
CIFAR10_RANDOM_STATE = 11172018
# Of one's own images without a test set, one in this many (rounded down) is for testing.
TEST_ONE_IN = 10


def partition(length: int, spec: DataSpec, *, test: int = 0) -> Mapping[Split, Indices]:
    """Divide `length` images, by `split_seed`: `test` for testing, `spec.validation` for validation, the rest to train.

    The first images of a permutation (numpy's PCG64, the same on every platform) are the test set, the next ones the
    validation set: the test set does not depend on `validation`. Each part is in ascending order.
    Raises RunError (4) where no image is left to train on.
    """
    held_out = spec.validation + test
    if held_out >= length:
        parts = f"{spec.validation} for validation" + (f" and {test} for testing" if test else "")
        raise RunError(
            f"{spec.dataset}: of {length} images, {parts} are to be held out, and none is left to train on",
            help="set data.validation to a smaller number",
            exit_code=4,
        )
    shuffled = np.random.Generator(np.random.PCG64(spec.split_seed)).permutation(length).astype(np.int64)
    return {
        "test": np.sort(shuffled[:test]),
        "validation": np.sort(shuffled[test:held_out]),
        "train": np.sort(shuffled[held_out:]),
    }


def partition_in_three(length: int, spec: DataSpec) -> Mapping[Split, Indices]:
    """As `partition`, with a tenth of the images for testing: for one's own images that come in one piece."""
    return partition(length, spec, test=length // TEST_ONE_IN)


def cifar10_partition(length: int, spec: DataSpec) -> Mapping[Split, Indices]:
    """The published split, in its order, at its size and split_seed = 0 (openai/vdvae); else one by `split_seed`."""
    if (spec.validation, spec.split_seed) != (CIFAR10_VALIDATION, 0) or length <= CIFAR10_VALIDATION:
        return partition(length, spec)
    from sklearn.model_selection import train_test_split  # a slow import, and few runs need it

    train, validation = train_test_split(
        np.arange(length, dtype=np.int64), test_size=CIFAR10_VALIDATION, random_state=CIFAR10_RANDOM_STATE
    )
    return {"train": train, "validation": validation}
