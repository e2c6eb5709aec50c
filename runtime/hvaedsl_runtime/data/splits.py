"""Assign images to splits: a function of the number of images and of `data.split_seed`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import Indices, Split

# The arrays or folders that images are stored in: one for each split, or one for all. Without "validation", the
# validation images are held out of "train".
PartName = Literal["all", "train", "validation", "test"]
# Names of the folder or file of validation images; a dataset has at most one of them.
VALIDATION_NAMES = ("validation", "val", "valid")

# openai/vdvae's split of the CIFAR-10 training set.
CIFAR10_VALIDATION = 5_000
CIFAR10_RANDOM_STATE = 11172018
# openai/vdvae's splits of ImageNet's training set and of FFHQ at 256 and 1024 pixels.
IMAGENET_VALIDATION = 5_000
IMAGENET_SEED = 42
FFHQ256_TEST = 7_000
FFHQ256_SEED = 5
FFHQ1024_TEST = 5_000
# Of custom images without a test set, one in this many (rounded down) is for testing.
TEST_ONE_IN = 10


def one_validation(root: Path, names: Collection[str], suffix: str = "") -> str | None:
    """Return the one of VALIDATION_NAMES (and `suffix`) that is in `names`. Raises InvalidData if several are."""
    found = [name + suffix for name in VALIDATION_NAMES if name + suffix in names]
    if len(found) > 1:
        raise InvalidData(
            f"{root}: found {' and '.join(found)}; only one of them can hold the validation images",
            help="keep one of them, or move their images together",
        )
    return found[0] if found else None


def partition(length: int, spec: DataSpec, *, test: int = 0) -> Mapping[Split, Indices]:
    """Divide `length` images into `test` test images, `spec.validation` validation images, and training images.

    The first images of a permutation (numpy's PCG64, the same on every platform) are the test set, the next ones the
    validation set, so the test set does not depend on `validation`. Each split is in ascending order.
    Raises DataNotFound if no training image is left.
    """
    held_out = spec.validation + test
    if held_out >= length:
        parts = f"{spec.validation} for validation" + (f" and {test} for testing" if test else "")
        raise DataNotFound(
            f"{spec.dataset}: {parts} are held out of {counted(length, 'image')}; no training image is left",
            help="set data.validation to a smaller number",
        )

    shuffled = np.random.Generator(np.random.PCG64(spec.split_seed)).permutation(length).astype(np.int64)
    return {
        "test": np.sort(shuffled[:test]),
        "validation": np.sort(shuffled[test:held_out]),
        "train": np.sort(shuffled[held_out:]),
    }


def partition_in_three(length: int, spec: DataSpec) -> Mapping[Split, Indices]:
    """Divide images that are stored together as `partition` does, with a tenth of them for testing."""
    return partition(length, spec, test=length // TEST_ONE_IN)


def cifar10_partition(length: int, spec: DataSpec) -> Mapping[Split, Indices]:
    """Divide CIFAR-10's training images.

    With 5,000 validation images and split_seed = 0, the published split in its order (openai/vdvae); otherwise as
    `partition`.
    """
    if (spec.validation, spec.split_seed) != (CIFAR10_VALIDATION, 0) or length <= CIFAR10_VALIDATION:
        return partition(length, spec)

    from sklearn.model_selection import train_test_split  # a slow import that few runs need

    train, validation = train_test_split(
        np.arange(length, dtype=np.int64), test_size=CIFAR10_VALIDATION, random_state=CIFAR10_RANDOM_STATE
    )
    return {"train": train, "validation": validation}


def imagenet_partition(length: int, spec: DataSpec) -> Mapping[Split, Indices]:
    """Divide ImageNet's training images.

    With 5,000 validation images and split_seed = 0, these are the last of the published permutation, in its order
    (openai/vdvae); otherwise as `partition`. The published split applies to the published order: see docs/data.md.
    """
    if not _published(length, spec, IMAGENET_VALIDATION):
        return partition(length, spec)
    return _ends_of_permutation(length, IMAGENET_SEED, IMAGENET_VALIDATION)


def ffhq256_partition(length: int, spec: DataSpec) -> Mapping[Split, Indices]:
    """Divide FFHQ at 256 pixels; its validation images are the test images too, as in the published code.

    With 7,000 validation images and split_seed = 0, these are the last of the published permutation (openai/vdvae);
    otherwise they are drawn with `split_seed`.
    """
    if not _published(length, spec, FFHQ256_TEST):
        return _tested_on_validation(partition(length, spec))
    return _tested_on_validation(_ends_of_permutation(length, FFHQ256_SEED, FFHQ256_TEST))


def ffhq1024_partition(length: int, spec: DataSpec) -> Mapping[Split, Indices]:
    """Divide FFHQ at 1024 pixels; its validation images are the test images too, as in the published code.

    With 5,000 validation images and split_seed = 0, these are the last images (openai/vdvae); otherwise they are drawn
    with `split_seed`.
    """
    if not _published(length, spec, FFHQ1024_TEST):
        return _tested_on_validation(partition(length, spec))
    every = np.arange(length, dtype=np.int64)
    return _tested_on_validation({"train": every[:-FFHQ1024_TEST], "validation": every[-FFHQ1024_TEST:]})


Divide = Callable[[int, DataSpec], Mapping[Split, Indices]]

# How the training images of a dataset are divided, and the images of one without a published test set.
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
    """Return the part that holds a split's images, and their indices in it; `counts` are the sizes of the parts.

    Where validation images are separate, and test images are not, a tenth of the training images is for testing.
    Raises DataNotFound if no training image is left.
    """
    if "all" in counts:
        return "all", IN_ONE_PIECE.get(spec.dataset, partition_in_three)(counts["all"], spec)[split]
    if spec.dataset in TESTED_ON_VALIDATION:
        part: PartName = "train" if split == "train" else "test"
        return part, np.arange(counts[part])
    if "validation" in counts and "test" not in counts and split != "validation":
        return "train", partition_in_three(counts["train"], spec.model_copy(update={"validation": 0}))[split]
    if split == "test" or "validation" in counts:
        return split, np.arange(counts[split])
    return "train", HELD_OUT.get(spec.dataset, partition)(counts["train"], spec)[split]


def _published(length: int, spec: DataSpec, validation: int) -> bool:
    return (spec.validation, spec.split_seed) == (validation, 0) and length > validation


def _ends_of_permutation(length: int, seed: int, last: int) -> Mapping[Split, Indices]:
    # The published code seeds numpy's legacy generator, whose stream numpy guarantees.
    permutation = np.random.RandomState(seed).permutation(length).astype(np.int64)
    return {"train": permutation[:-last], "validation": permutation[-last:]}


def _tested_on_validation(parts: Mapping[Split, Indices]) -> Mapping[Split, Indices]:
    return {**parts, "test": parts["validation"]}
