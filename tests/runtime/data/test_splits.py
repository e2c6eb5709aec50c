from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from hvaedsl.diagnostics.errors import RunError
from hvaedsl.ir.datasets import DATASETS
from hvaedsl_runtime.data.splits import (
    cifar10_partition,
    ffhq256_partition,
    ffhq1024_partition,
    imagenet_partition,
    members,
    partition,
)


def test_the_parts_are_disjoint_and_leave_nothing_out(make_spec: Any) -> None:
    parts = partition(100, make_spec("npy", validation=13), test=7)
    assert {name: len(members) for name, members in parts.items()} == {"train": 80, "validation": 13, "test": 7}
    assert sorted(np.concatenate(list(parts.values()))) == list(range(100))


def test_the_split_is_fixed_by_its_seed(make_spec: Any) -> None:
    first, again, other = (partition(100, make_spec("npy", validation=13, split_seed=seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first["validation"], again["validation"])
    assert set(first["validation"]) != set(other["validation"])


def test_the_split_is_the_one_that_it_has_always_been(make_spec: Any) -> None:
    assert partition(20, make_spec("npy", validation=4))["validation"].tolist() == [2, 4, 6, 19]


def test_the_test_set_does_not_depend_on_the_size_of_the_validation_set(make_spec: Any) -> None:
    small, large = (partition(100, make_spec("npy", validation=count), test=10) for count in (3, 50))
    np.testing.assert_array_equal(small["test"], large["test"])


def test_something_is_left_to_train_on(make_spec: Any) -> None:
    assert len(partition(5, make_spec("npy", validation=2), test=2)["train"]) == 1
    with pytest.raises(RunError, match="3 for validation and 2 for testing are held out of 5 images") as caught:
        partition(5, make_spec("npy", validation=3), test=2)
    assert caught.value.exit_code == 4


def test_cifar10_has_the_published_split(make_spec: Any) -> None:
    train, validation = train_test_split(np.arange(50_000), test_size=5_000, random_state=11172018)
    parts = cifar10_partition(50_000, make_spec("cifar10", validation=5_000))
    np.testing.assert_array_equal(parts["train"], train)
    np.testing.assert_array_equal(parts["validation"], validation)


@pytest.mark.parametrize("fields", [{"validation": 4_000}, {"validation": 5_000, "split_seed": 1}])
def test_cifar10_can_be_split_otherwise(make_spec: Any, fields: Any) -> None:
    spec = make_spec("cifar10", **fields)
    parts = cifar10_partition(50_000, spec)
    np.testing.assert_array_equal(parts["validation"], partition(50_000, spec)["validation"])
    assert len(parts["validation"]) == spec.validation


def test_imagenet_has_the_published_split(make_spec: Any) -> None:
    np.random.seed(42)
    permutation = np.random.permutation(6_000)
    parts = imagenet_partition(6_000, make_spec("imagenet32", validation=5_000))
    np.testing.assert_array_equal(parts["train"], permutation[:-5_000])
    np.testing.assert_array_equal(parts["validation"], permutation[-5_000:])
    other = make_spec("imagenet32", validation=5_000, split_seed=1)
    np.testing.assert_array_equal(imagenet_partition(6_000, other)["validation"], partition(6_000, other)["validation"])


def test_ffhq_has_the_published_splits(make_spec: Any) -> None:
    np.random.seed(5)
    permutation = np.random.permutation(8_000)
    parts = ffhq256_partition(8_000, make_spec("ffhq256", validation=7_000))
    np.testing.assert_array_equal(parts["train"], permutation[:-7_000])
    np.testing.assert_array_equal(parts["validation"], permutation[-7_000:])
    np.testing.assert_array_equal(parts["test"], permutation[-7_000:])
    large = ffhq1024_partition(70_000, make_spec("ffhq1024", validation=DATASETS["ffhq1024"].validation))
    np.testing.assert_array_equal(large["train"], np.arange(65_000))
    for split in ("validation", "test"):
        np.testing.assert_array_equal(large[split], np.arange(65_000, 70_000))


@pytest.mark.parametrize("dataset", ["ffhq256", "ffhq1024"])
def test_ffhq_can_be_split_otherwise(make_spec: Any, dataset: str) -> None:
    spec = make_spec(dataset, validation=4)
    parts = {split: members(spec, {"all": 20}, split) for split in ("train", "validation", "test")}
    assert {name for name, _ in parts.values()} == {"all"}
    np.testing.assert_array_equal(parts["validation"][1], partition(20, spec)["validation"])
    np.testing.assert_array_equal(parts["test"][1], parts["validation"][1])
    assert not set(parts["train"][1]) & set(parts["test"][1])
    folders = {"train": 6, "test": 3}
    assert members(spec, folders, "validation")[0] == "test"  # type: ignore[arg-type]
    assert members(spec, folders, "train")[1].tolist() == list(range(6))  # type: ignore[arg-type]
