"""Which image belongs to which split: a function of the number of images and of the split's seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from hvaedsl.diagnostics.errors import DataNotFound
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import Indices, Split

# The arrays or folders that images may lie in: one for each split, or one for all. Without "validation", the validation
# images are held out of "train".
PartName = Literal["all", "train", "validation", "test"]

# openai/vdvae's split of the CIFAR-10 training set.
CIFAR10_VALIDATION = 5_000
CIFAR10_RANDOM_STATE = 11172018
# openai/vdvae's splits of ImageNet's training set and of FFHQ at 256 and 1024 pixels.
IMAGENET_VALIDATION = 5_000
IMAGENET_SEED = 42
FFHQ256_TEST = 7_000
FFHQ256_SEED = 5
FFHQ1024_TEST = 5_000
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
        raise DataNotFound(
            f"{spec.dataset}: of {length} images, {parts} are to be held out, and none is left to train on",
            help="set data.validation to a smaller number",
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


def imagenet_partition(length: int, spec: DataSpec) -> Mapping[Split, Indices]:
    """The last 5,000 of the published permutation, in its order, at split_seed = 0 (openai/vdvae); else `partition`.

    The published split of images is that of the published order: see docs/data.md.
    """
    if not _published(length, spec, IMAGENET_VALIDATION):
        return partition(length, spec)
    return _ends_of_permutation(length, IMAGENET_SEED, IMAGENET_VALIDATION)


def ffhq256_partition(length: int, spec: DataSpec) -> Mapping[Split, Indices]:
    """The last 7,000 of the published permutation, at split_seed = 0 (openai/vdvae); else drawn by `split_seed`.

    The validation images are the test images too, as in the published code.
    """
    if not _published(length, spec, FFHQ256_TEST):
        return _tested_on_validation(partition(length, spec))
    return _tested_on_validation(_ends_of_permutation(length, FFHQ256_SEED, FFHQ256_TEST))


def ffhq1024_partition(length: int, spec: DataSpec) -> Mapping[Split, Indices]:
    """The last 5,000 images, at split_seed = 0 (openai/vdvae); else drawn by `split_seed`. Validation as for 256."""
    if not _published(length, spec, FFHQ1024_TEST):
        return _tested_on_validation(partition(length, spec))
    every = np.arange(length, dtype=np.int64)
    return _tested_on_validation({"train": every[:-FFHQ1024_TEST], "validation": every[-FFHQ1024_TEST:]})


Divide = Callable[[int, DataSpec], Mapping[Split, Indices]]

# How the training images of a data set are divided, and the images of one that comes in one piece.
HELD_OUT: Mapping[str, Divide] = {
    "cifar10": cifar10_partition,
    "imagenet32": imagenet_partition,
    "imagenet64": imagenet_partition,
    "imagenet32_oord": imagenet_partition,
    "imagenet64_oord": imagenet_partition,
}
IN_ONE_PIECE: Mapping[str, Divide] = {"ffhq256": ffhq256_partition, "ffhq1024": ffhq1024_partition}
TESTED_ON_VALIDATION = frozenset(IN_ONE_PIECE)


def members(spec: DataSpec, counts: Mapping[PartName, int], split: Split) -> tuple[PartName, Indices]:
    """The part that a split's images lie in, and which of that part's images they are; `counts` are the parts' sizes.

    Raises RunError (4) where no image is left to train on.
    """
    if "all" in counts:
        return "all", IN_ONE_PIECE.get(spec.dataset, partition_in_three)(counts["all"], spec)[split]
    if spec.dataset in TESTED_ON_VALIDATION:
        part: PartName = "train" if split == "train" else "test"
        return part, np.arange(counts[part])
    if split == "test" or "validation" in counts:
        return split, np.arange(counts[split])
    return "train", HELD_OUT.get(spec.dataset, partition)(counts["train"], spec)[split]


def _published(length: int, spec: DataSpec, validation: int) -> bool:
    return (spec.validation, spec.split_seed) == (validation, 0) and length > validation


def _ends_of_permutation(length: int, seed: int, last: int) -> Mapping[Split, Indices]:
    # The legacy generator: numpy keeps its stream for ever, and the published code seeds it.
    permutation = np.random.RandomState(seed).permutation(length).astype(np.int64)
    return {"train": permutation[:-last], "validation": permutation[-last:]}


def _tested_on_validation(parts: Mapping[Split, Indices]) -> Mapping[Split, Indices]:
    return {**parts, "test": parts["validation"]}
