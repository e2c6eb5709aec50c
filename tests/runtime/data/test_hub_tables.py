"""The rows and columns of tables as images, and what of them is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvaedsl.diagnostics.errors import ExitCode, UnusableImages
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data import open_split, remarks
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.data.manifest import read_manifest
from tests.runtime.data.image_folders import everything
from tests.runtime.data.parquet_tables import (
    NAME,
    encoded,
    error,
    files_of,
    flat,
    lists,
    pixels,
    write_table,
)

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("filelock")


# --- rows


COLUMNS: dict[str, Callable[[Pixels], Any]] = {
    "files": files_of,
    "bytes": lambda images: [encoded(image) for image in images],
    "large bytes": lambda images: pa.array([encoded(image) for image in images], type=pa.large_binary()),
    "views of bytes": lambda images: pa.array([encoded(image) for image in images], type=pa.binary_view()),
    "bytes by index": lambda images: pa.array([encoded(image) for image in images]).dictionary_encode(),
    "lists": lists,
    "lists without channels": lambda images: lists(images[..., 0]) if images.shape[-1] == 1 else lists(images),
    "flat": flat,
    "flat lists": lambda images: lists(images.reshape(len(images), -1)),
    "tensors": pa.FixedShapeTensorArray.from_numpy_ndarray,
    "integers": lambda images: lists(images.astype(np.int64)),
    "floats": lambda images: lists(images.astype(np.float32) / np.float32(255)),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_of_every_kind_are_the_same_images(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any, kind: str, channels: int
) -> None:
    images = make_images(30, channels=channels)
    write_table(tables / "train.parquet", {"x": COLUMNS[kind](images), "label": [*range(30)]}, row_group_size=7)
    write_table(tables / "test.parquet", {"x": COLUMNS[kind](images[:5]), "label": [*range(5)]})
    np.testing.assert_array_equal(pixels(open_split(hub_spec(channels=channels), "train")), images)
    np.testing.assert_array_equal(pixels(open_split(hub_spec(channels=channels), "test")), images[:5])


@pytest.mark.parametrize("levels", [17, 4_096])
def test_numbers_of_other_levels_and_channels(hub_spec: Callable[..., DataSpec], tables: Path, levels: int) -> None:
    images = np.random.default_rng(0).integers(0, levels, (20, 8, 8, 5)).astype(np.uint16)
    write_table(tables / "a.parquet", {"x": lists(images)})
    found = open_split(hub_spec(channels=5, levels=levels), "train")
    np.testing.assert_array_equal(pixels(found), images[found.members])
    assert pixels(found).dtype == (np.uint8 if levels == 17 else np.uint16)


def test_files_are_fitted_as_those_of_a_folder(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any
) -> None:
    large = make_images(12, resolution=16, channels=1)
    write_table(tables / "train.parquet", {"image": files_of([*large[:11], np.zeros((16, 20), dtype=np.uint8)])})
    refused = error(hub_spec())
    assert isinstance(refused, UnusableImages)
    assert "12 rows cannot be used" in str(refused)
    assert f"{tables / 'train.parquet'}, row 0: the image is 16x16; it must be 8x8" in str(refused)
    assert "row 11: the image is 20 wide and 16 high; it must be square" in str(refused)
    assert "data.fit" in refused.help

    found = open_split(hub_spec(fit="crop_resize"), "train")
    assert "of 12 files, when they were prepared: 1 cropped to the center, 12 resized" in remarks(found)
    resized = np.asarray(everything(found))
    assert resized.shape == (11, 8, 8, 1)


def test_every_row_that_is_wrong_is_named(hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
    rows: list[Any] = files_of(make_images(20))
    rows[1] = None
    rows[3] = {"bytes": None, "path": None}
    rows[5] = {"bytes": None, "path": "/elsewhere/5.png"}
    rows[7] = {"bytes": rows[7]["bytes"][:50], "path": None}
    rows[8] = {"bytes": b"", "path": None}
    rows[9] = {
        "bytes": encoded(np.zeros((8, 8, 3), dtype=np.uint8) + np.array([1, 2, 3], dtype=np.uint8)),
        "path": None,
    }
    rows[11] = {"bytes": encoded(np.zeros((8, 8, 4), dtype=np.uint8)), "path": None}
    rows[13] = {"bytes": encoded(np.zeros((8, 8), dtype=np.uint16)), "path": None}
    rows[15] = {"bytes": b"<html>", "path": None}
    first = write_table(tables / "train-00000-of-00002.parquet", {"image": rows}, row_group_size=6)
    second = write_table(tables / "train-00001-of-00002.parquet", {"image": [*files_of(make_images(4)), None]})
    write_table(tables / "test-00000-of-00001.parquet", {"image": [None, *files_of(make_images(4))]})
    found = error(hub_spec())
    assert found.exit_code == ExitCode.DATA
    for row, reason in {
        1: "it has no image (null)",
        3: "it has no image (null)",
        5: "it has the path /elsewhere/5.png and no image",
        7: "the image cannot be read",
        8: "the image cannot be read: it is empty",
        9: "the image is in color, and 1 channel was asked for",
        11: "the image has transparent pixels",
        13: "the image has 16 bits per channel",
        15: "the image cannot be read: it is a web page",
    }.items():
        assert f"{first}, row {row}: {reason}" in str(found)
    assert f"{second}, row 4: it has no image" in str(found)
    assert f"{tables / 'test-00000-of-00001.parquet'}, row 0: it has no image" in str(found)
    assert "11 rows cannot be used" in str(found)
    assert "4 of them: remove the rows without an image" in found.help
    assert "Dataset.to_parquet" in found.help


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([[[1, 2], [3, 4]]], r"shape \[2, 2\]; it must be \[8, 8, 1\]"),
        ([None], r"it has no image \(null\)"),
        ([[[1, 2], [3]]], "its lists have lengths from 1 to 2"),
        ([[[1, 2], None]], "it has null in the place of a list"),
        ([[[300] * 8] * 8], "from 300 to 300; they must be levels from 0 to 255"),
        ([[[1, None, *[3] * 6]] * 8], "from nan to nan"),
        ([[]], r"shape \[0, 0\]"),
    ],
)
def test_wrong_numbers_are_named(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any, rows: list[Any], reason: str
) -> None:
    sound = make_images(12)[..., 0].tolist()
    column = pa.array([*sound, *rows], type=pa.list_(pa.list_(pa.int64())))
    write_table(tables / "train.parquet", {"image": column})
    with pytest.raises(UnusableImages, match=rf"train\.parquet, row 12: .*{reason}"):
        open_split(hub_spec(), "train")


def test_a_layout_that_fits_only_transposed_is_refused(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any
) -> None:
    write_table(tables / "train.parquet", {"image": lists(make_images(12, channels=3).transpose(0, 3, 1, 2))})
    found = error(hub_spec(channels=3))
    assert "row 0: a ndarray of shape [3, 8, 8]; it must be [8, 8, 3]" in str(found)
    assert "12 rows" in str(found)
    assert "permute the axes" in found.help


def test_files_have_up_to_four_channels(hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
    four = make_images(12, channels=4)
    write_table(tables / "train.parquet", {"image": files_of(four)})
    train = open_split(hub_spec(channels=4), "train")
    np.testing.assert_array_equal(everything(train), four[train.members])
    assert "data.channels is 5; the image files in the column `image` are read as up to 4" in str(
        error(hub_spec(channels=5))
    )


# --- columns


def test_the_only_image_column_is_taken(hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
    images = make_images(12)
    columns = {"name": ["x"] * 12, "box": flat(np.zeros((12, 4), dtype=np.uint8)), "img": files_of(images)}
    write_table(tables / "train.parquet", columns | {"label": [1] * 12})
    assert len(open_split(hub_spec(), "train")) == 11
    found = next((tables.parent / "cache").rglob("manifest.json"))
    manifest = read_manifest(found.parent)
    assert manifest is not None
    assert (manifest.dataset, manifest.column, manifest.config) == (NAME, "img", None)
    assert [Path(origin.path).name for origin in manifest.origins] == ["train.parquet"]
    assert manifest.layout.startswith("parquet files, column img, never cropped")


def test_other_columns_are_refused_with_a_list(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any
) -> None:
    images = files_of(make_images(12))
    write_table(tables / "train.parquet", {"left": images, "right": images, "label": ["x"] * 12})
    several = error(hub_spec())
    assert "several columns may have the images; the columns are left (struct<bytes: binary" in str(several)
    assert several.help == 'set data.column to "left" or "right"'
    assert len(open_split(hub_spec(column="right"), "train")) == 11
    assert "there is no column `image`; the columns are left (" in str(error(hub_spec(column="image")))
    text = error(hub_spec(column="label"))
    assert "the column `label` has values of type string; images are image files" in str(text)
    assert text.help == 'set data.column to "left" or "right"'
    write_table(tables / "train.parquet", {"label": ["x"] * 12, "score": [0.5] * 12})
    assert "no column has images; the columns are label (string), score (double)" in str(error(hub_spec()))


@pytest.mark.parametrize("column", [None, "x"])
@pytest.mark.parametrize("other", ["files", "words"])
def test_a_name_of_two_columns_is_refused(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any, other: str, column: str | None
) -> None:
    files = pa.array(files_of(make_images(5)))
    table = pa.Table.from_arrays([files, files if other == "files" else pa.array([*"abcde"])], names=["x", "x"])
    tables.mkdir()
    pq.write_table(table, tables / "train.parquet")
    found = error(hub_spec(column=column))
    assert str(found) == (
        f"{tables}/train.parquet: 2 columns have the name `x`; the column with the images must have a name of its own"
    )
    assert found.help == "save the table with different names, for example with `rename_columns` of pyarrow"


def test_files_with_different_columns_are_refused(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any
) -> None:
    write_table(tables / "train-00000-of-00002.parquet", {"image": files_of(make_images(12))})
    write_table(tables / "train-00001-of-00002.parquet", {"picture": files_of(make_images(12))})
    assert "the images are in the column `picture` (files); those of" in str(error(hub_spec()))


def test_all_files_with_a_wrong_column_are_named(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any
) -> None:
    for number, name in enumerate(("image", "label", "picture", "label")):
        values = ["x"] * 12 if name == "label" else files_of(make_images(12))
        write_table(tables / f"train-{number:05}-of-00004.parquet", {name: values})
    found = str(error(hub_spec()))
    assert found.startswith("2 tables cannot be used:")
    assert all(f"train-{number:05}-of-00004.parquet: no column has images" in found for number in (1, 3))
    found = str(error(hub_spec(column="image")))
    assert found.startswith("3 tables cannot be used:")
    assert found.count("there is no column `image`") == 3

    for number in (1, 3):
        write_table(tables / f"train-{number:05}-of-00004.parquet", {"picture": files_of(make_images(12))})
    found = str(error(hub_spec()))
    assert found.startswith("3 tables cannot be used:")
    assert found.count("the images are in the column `picture` (files); those of") == 3


@pytest.mark.parametrize("kind", ["lists", "flat lists"])
def test_real_values_in_a_column_are_read_from_npy_files(
    hub_spec: Callable[..., DataSpec], tables: Path, kind: str
) -> None:
    values = np.random.default_rng(0).normal(size=(10, 8, 8, 1)).astype(np.float32)
    write_table(tables / "train.parquet", {"x": lists(values if kind == "lists" else values.reshape(10, -1))})
    refused = error(hub_spec())
    assert isinstance(refused, UnusableImages)
    assert "for real values, save them as float32 .npy files, and set data.dataset to npy" in refused.help
