"""Parquet files: splits and configurations by their names, and what is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvaedsl.diagnostics.errors import ExitCode
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data import Split, has_validation, open_split, remarks
from tests.runtime.data.image_folders import everything
from tests.runtime.data.parquet_tables import (
    error,
    files_of,
    pixels,
    write_splits,
    write_table,
)

pa = pytest.importorskip("pyarrow")
pytest.importorskip("filelock")


SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@pytest.mark.parametrize(
    "names",
    [
        ("train-00000-of-00001", "validation-00000-of-00001", "test-00000-of-00001"),
        ("data/train-00000-of-00001", "data/validation-00000-of-00001", "data/test-00000-of-00001"),
        ("train/0000", "valid/0000", "test/0000"),
        ("plain/train", "plain/val", "plain/test"),
        ("x_train", "x_dev", "x_test"),
    ],
)
def test_splits_by_the_names_of_files(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any, names: Sequence[str]
) -> None:
    images = make_images(30)
    write_splits(tables, images, dict(zip(names, (20, 4, 6), strict=True)))
    assert has_validation(hub_spec())
    for split, part in zip(SPLITS, (images[:20], images[20:24], images[24:]), strict=True):
        np.testing.assert_array_equal(pixels(open_split(hub_spec(), split)), part)


def test_files_of_one_split_are_joined_in_order(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any
) -> None:
    images = make_images(30)
    write_splits(tables, images, {"train-00000-of-00002": 9, "train-00001-of-00002": 11, "test-00000-of-00001": 10})
    np.testing.assert_array_equal(pixels(open_split(hub_spec(), "train")), images[:20])


@pytest.mark.parametrize("name", ["train-00000-of-00001", "everything", "train/0000"])
def test_training_images_alone_are_divided(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any, name: str
) -> None:
    write_splits(tables, make_images(30), {name: 30})
    sets = [open_split(hub_spec(validation=5), split) for split in SPLITS]
    assert [len(each) for each in sets] == [22, 5, 3]
    assert sorted(index for each in sets for index in everything(each)[:, 0, 0, 0].tolist()) == [*range(30)]
    alone = hub_spec(path=str(tables / f"{name}.parquet"), validation=5)
    np.testing.assert_array_equal(pixels(open_split(alone, "train")), pixels(sets[0]))


def test_a_test_set_is_held_out_beside_validation_images(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any
) -> None:
    images = make_images(30)
    write_splits(tables, images, {"train": 20, "validation": 10})
    sets = {split: open_split(hub_spec(validation=7), split) for split in SPLITS}
    assert {split: len(each) for split, each in sets.items()} == {"train": 18, "validation": 10, "test": 2}
    np.testing.assert_array_equal(pixels(sets["validation"]), images[20:])
    joined = np.concatenate([pixels(sets["train"]), pixels(sets["test"])])
    assert sorted(joined[:, 0, 0, 0].tolist()) == [*range(20)]
    assert "there is no split test: a tenth of the training images is for testing" in remarks(sets["train"])


def test_a_configuration_is_a_folder(hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
    images = make_images(40)
    write_splits(tables, images, {"small/train": 12, "large/data/train": 28, "large/data/test": 0})
    (tables / "large" / "data" / "test.parquet").unlink()
    np.testing.assert_array_equal(everything(open_split(hub_spec(config="small"), "train")).shape, (11, 8, 8, 1))
    assert len(open_split(hub_spec(config="large"), "train")) == 26
    unclear = error(hub_spec())
    assert "the parquet files are of several configurations: large/, small/" in str(unclear)
    assert unclear.help.startswith('set data.config to "large" or "small"')
    other = error(hub_spec(config="medium"))
    assert "there is no folder of the configuration `medium`; the parquet files are in large/, small/" in str(other)


def test_partitions_are_splits_or_parts_of_one_table(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any
) -> None:
    images = make_images(40)
    counts = {"split=train/label=0/0": 12, "split=train/label=1/0": 18, "split=test/label=0/0": 10}
    write_splits(tables, images, counts)
    np.testing.assert_array_equal(pixels(open_split(hub_spec(), "train")), images[:30])
    np.testing.assert_array_equal(pixels(open_split(hub_spec(), "test")), images[30:])

    chosen = open_split(hub_spec(config="label=0"), "train")
    np.testing.assert_array_equal(pixels(chosen), images[:12])
    assert "there is no folder of the configuration `label=2`" in str(error(hub_spec(config="label=2")))


def test_partitions_of_configurations_are_told_apart(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any
) -> None:
    write_splits(tables, make_images(40), {"small/split=train/0": 12, "large/split=train/0": 28})
    assert "several configurations: large/, small/" in str(error(hub_spec()))
    assert len(open_split(hub_spec(config="small"), "train")) == 11


@pytest.mark.parametrize(
    ("names", "reason", "way_out"),
    [
        (
            ["train-00000-of-00003", "train-00002-of-00003"],
            "1 parquet file is missing: train-00001-of-00003",
            "download",
        ),
        (["test", "validation"], "but no training images", "name the files of the splits"),
        (["train", "extra"], "extra.parquet: the name says no split", "or remove the others"),
        (["train", "train_test"], "train_test.parquet: the name says no split, or several", ""),
        (["train", "val", "validation"], "found the splits val and validation; only one of them", "keep one"),
        (["train", "trainval"], "found the splits train and trainval", ""),
    ],
)
def test_names_that_do_not_go_together(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any, names: list[str], reason: str, way_out: str
) -> None:
    write_splits(tables, make_images(30), dict.fromkeys(names, 5))
    found = error(hub_spec())
    assert reason in str(found)
    assert way_out in found.help


@pytest.mark.parametrize(
    ("file", "reason", "way_out"),
    [
        (None, "found no parquet file", "set data.path to a parquet file"),
        ("a.arrow", "found only files 1 .arrow", 'Dataset.from_file("train.arrow").to_parquet("train.parquet")'),
        ("a.jsonl", "found only files 1 .jsonl", 'Dataset.from_json("train.jsonl").to_parquet("train.parquet")'),
        ("a.csv", "found only files 1 .csv", 'from_csv("train.csv")'),
        ("a.png", "found only files 1 .png", "set data.dataset to folder"),
        ("a.npy", "found only files 1 .npy", "set data.dataset to npy"),
        (".hidden/a.parquet", "found no parquet file", ""),
    ],
)
def test_a_folder_without_parquet_files(
    hub_spec: Callable[..., DataSpec], tables: Path, file: str | None, reason: str, way_out: str
) -> None:
    tables.mkdir()
    if file is not None:
        (tables / file).parent.mkdir(exist_ok=True)
        (tables / file).write_bytes(b"x")
    found = error(hub_spec())
    assert reason in str(found)
    assert way_out in found.help


def test_other_files_and_missing_ones(hub_spec: Callable[..., DataSpec], tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}")
    (tmp_path / "rows.zip").write_bytes(b"PK\x03\x04")
    assert "to_parquet" in error(hub_spec(path=str(tmp_path / "rows.jsonl"))).help
    assert "unzip" in error(hub_spec(path=str(tmp_path / "rows.zip"))).help
    assert "were not found; expected parquet files" in str(error(hub_spec(path=str(tmp_path / "nowhere"))))


def test_damaged_files_are_all_named(hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
    write_splits(tables, make_images(30), {f"train-0000{n}-of-00004": 5 for n in range(4)})
    files = sorted(tables.iterdir())
    files[0].write_bytes(files[0].read_bytes()[:-100])
    files[1].write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    files[2].write_bytes(b"hello")
    found = error(hub_spec())
    assert "3 parquet files cannot be used" in str(found)
    assert f"{files[0]}: it is truncated or damaged" in str(found)
    assert f"{files[1]}: it is a Git LFS pointer" in str(found)
    assert f"{files[2]}: it is not a parquet file" in str(found)
    assert "git lfs pull" in found.help


def test_links_are_followed_and_dead_ones_named(
    hub_spec: Callable[..., DataSpec], tables: Path, tmp_path: Path, make_images: Any
) -> None:
    """The cache of the Hub has links to files without a suffix."""
    write_splits(tmp_path / "blobs", make_images(30), {"a": 20, "b": 10})
    tables.mkdir()
    (tables / "train.parquet").symlink_to(tmp_path / "blobs" / "a.parquet")
    (tables / "test.parquet").symlink_to(tmp_path / "blobs" / "b.parquet")
    (tables / "data").symlink_to(tables, target_is_directory=True)
    assert [len(open_split(hub_spec(), split)) for split in ("train", "test")] == [20, 10]
    (tmp_path / "blobs" / "b.parquet").unlink()
    assert f"{tables / 'test.parquet'}: it is a link to {tmp_path / 'blobs' / 'b.parquet'}, which does not" in str(
        error(hub_spec())
    )


def test_a_file_that_is_damaged_inside(hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
    path = write_table(tables / "train.parquet", {"image": files_of(make_images(200))}, row_group_size=50)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3_000] = bytes(3_000)
    path.write_bytes(content)
    found = error(hub_spec())
    assert f"{path}" in str(found)
    assert "cannot be" in str(found)
    assert found.exit_code == ExitCode.DATA


def test_an_empty_split_is_refused(hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
    write_table(tables / "train.parquet", {"image": files_of(make_images(12))})
    column = pa.array([], type=pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    write_table(tables / "test.parquet", {"image": column})
    found = error(hub_spec())
    assert "test.parquet: the table has no rows" in str(found)
    assert found.help == "remove the empty split"
