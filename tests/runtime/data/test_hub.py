"""Datasets of the Hugging Face Hub: parquet files and their splits, columns and rows, and what is refused by name."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvaedsl.diagnostics.errors import ExitCode, HvaedslError, UnusableImages, UsageError
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data import ImageSet, Split, fingerprint, has_validation, open_split, prepare, remarks
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.data.manifest import Manifest, read_manifest
from tests.runtime.data.image_folders import everything
from tests.runtime.data.parquet_tables import encoded, files_of, flat, lists, write_table

pa = pytest.importorskip("pyarrow")
pytest.importorskip("filelock")

NAME = "hf:ada/faces"
MakeSpec = Callable[..., DataSpec]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@pytest.fixture
def spec(tmp_path: Path, make_spec: MakeSpec) -> Callable[..., DataSpec]:
    """A spec of the tables in the folder `tables`."""
    return lambda **fields: make_spec(NAME, **({"path": str(tmp_path / "tables"), "validation": 0} | fields))


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return tmp_path / "tables"


def pixels(images: ImageSet) -> Pixels:
    return images.batch(np.arange(len(images)))


def error(spec: DataSpec, split: Split = "train") -> HvaedslError:
    with pytest.raises(HvaedslError) as caught:
        open_split(spec, split)
    return caught.value


# --- rows


COLUMNS: dict[str, Callable[[Pixels], Any]] = {
    "files": files_of,
    "bytes": lambda images: [encoded(image) for image in images],
    "large bytes": lambda images: pa.array([encoded(image) for image in images], type=pa.large_binary()),
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
    spec: Callable[..., DataSpec], tables: Path, make_images: Any, kind: str, channels: int
) -> None:
    images = make_images(30, channels=channels)
    write_table(tables / "train.parquet", {"x": COLUMNS[kind](images), "label": [*range(30)]}, row_group_size=7)
    write_table(tables / "test.parquet", {"x": COLUMNS[kind](images[:5]), "label": [*range(5)]})
    np.testing.assert_array_equal(pixels(open_split(spec(channels=channels), "train")), images)
    np.testing.assert_array_equal(pixels(open_split(spec(channels=channels), "test")), images[:5])


@pytest.mark.parametrize("levels", [17, 4_096])
def test_numbers_of_other_levels_and_channels(spec: Callable[..., DataSpec], tables: Path, levels: int) -> None:
    images = np.random.default_rng(0).integers(0, levels, (20, 8, 8, 5)).astype(np.uint16)
    write_table(tables / "a.parquet", {"x": lists(images)})
    found = open_split(spec(channels=5, levels=levels), "train")
    np.testing.assert_array_equal(pixels(found), images[found.members])
    assert pixels(found).dtype == (np.uint8 if levels == 17 else np.uint16)


def test_files_are_fitted_as_those_of_a_folder(spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
    large = make_images(12, resolution=16, channels=1)
    write_table(tables / "train.parquet", {"image": files_of([*large[:11], np.zeros((16, 20), dtype=np.uint8)])})
    refused = error(spec())
    assert isinstance(refused, UnusableImages)
    assert "12 rows cannot be used" in str(refused)
    assert f"{tables / 'train.parquet'}, row 0: the image is 16x16; it must be 8x8" in str(refused)
    assert "row 11: the image is 20 wide and 16 high; it must be square" in str(refused)
    assert "data.fit" in refused.help

    found = open_split(spec(fit="crop_resize"), "train")
    assert "of 12 files, when they were prepared: 1 cropped to the center, 12 resized" in remarks(found)
    resized = np.asarray(everything(found))
    assert resized.shape == (11, 8, 8, 1)


def test_every_row_that_is_wrong_is_named(spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
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
    found = error(spec())
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
    spec: Callable[..., DataSpec], tables: Path, make_images: Any, rows: list[Any], reason: str
) -> None:
    sound = make_images(12)[..., 0].tolist()
    column = pa.array([*sound, *rows], type=pa.list_(pa.list_(pa.int64())))
    write_table(tables / "train.parquet", {"image": column})
    with pytest.raises(UnusableImages, match=rf"train\.parquet, row 12: .*{reason}"):
        open_split(spec(), "train")


def test_a_layout_that_fits_only_transposed_is_refused(
    spec: Callable[..., DataSpec], tables: Path, make_images: Any
) -> None:
    write_table(tables / "train.parquet", {"image": lists(make_images(12, channels=3).transpose(0, 3, 1, 2))})
    found = error(spec(channels=3))
    assert "row 0: a ndarray of shape [3, 8, 8]; it must be [8, 8, 3]" in str(found)
    assert "12 rows" in str(found)
    assert "permute the axes" in found.help


def test_files_have_one_or_three_channels(spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
    write_table(tables / "train.parquet", {"image": files_of(make_images(12))})
    assert "data.channels is 4; the image files in the column `image` are read as 1 or 3" in str(
        error(spec(channels=4))
    )


# --- columns


def test_the_only_image_column_is_taken(spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
    images = make_images(12)
    columns = {"name": ["x"] * 12, "box": flat(np.zeros((12, 4), dtype=np.uint8)), "img": files_of(images)}
    write_table(tables / "train.parquet", columns | {"label": [1] * 12})
    assert len(open_split(spec(), "train")) == 11
    found = next((tables.parent / "cache").rglob("manifest.json"))
    manifest = read_manifest(found.parent)
    assert manifest is not None
    assert (manifest.dataset, manifest.column, manifest.config) == (NAME, "img", None)
    assert [Path(origin.path).name for origin in manifest.origins] == ["train.parquet"]
    assert manifest.layout.startswith("parquet files, column img, never cropped")


def test_other_columns_are_refused_with_a_list(spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
    images = files_of(make_images(12))
    write_table(tables / "train.parquet", {"left": images, "right": images, "label": ["x"] * 12})
    several = error(spec())
    assert "several columns may have the images; the columns are left (struct<bytes: binary" in str(several)
    assert several.help == 'set data.column to "left" or "right"'
    assert len(open_split(spec(column="right"), "train")) == 11
    assert "there is no column `image`; the columns are left (" in str(error(spec(column="image")))
    text = error(spec(column="label"))
    assert "the column `label` has values of type string; images are image files" in str(text)
    assert text.help == 'set data.column to "left" or "right"'
    write_table(tables / "train.parquet", {"label": ["x"] * 12, "score": [0.5] * 12})
    assert "no column has images; the columns are label (string), score (double)" in str(error(spec()))


def test_files_with_different_columns_are_refused(
    spec: Callable[..., DataSpec], tables: Path, make_images: Any
) -> None:
    write_table(tables / "train-00000-of-00002.parquet", {"image": files_of(make_images(12))})
    write_table(tables / "train-00001-of-00002.parquet", {"picture": files_of(make_images(12))})
    assert "the images are in the column `picture` (files); those of" in str(error(spec()))


# --- files


def write_splits(folder: Path, images: Pixels, counts: dict[str, int]) -> None:
    """Parquet files by name, each with the next images."""
    start = 0
    for name, count in counts.items():
        write_table(folder / f"{name}.parquet", {"image": files_of(images[start : start + count])})
        start += count


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
    spec: Callable[..., DataSpec], tables: Path, make_images: Any, names: Sequence[str]
) -> None:
    images = make_images(30)
    write_splits(tables, images, dict(zip(names, (20, 4, 6), strict=True)))
    assert has_validation(spec())
    for split, part in zip(SPLITS, (images[:20], images[20:24], images[24:]), strict=True):
        np.testing.assert_array_equal(pixels(open_split(spec(), split)), part)


def test_files_of_one_split_are_joined_in_order(spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
    images = make_images(30)
    write_splits(tables, images, {"train-00000-of-00002": 9, "train-00001-of-00002": 11, "test-00000-of-00001": 10})
    np.testing.assert_array_equal(pixels(open_split(spec(), "train")), images[:20])


@pytest.mark.parametrize("name", ["train-00000-of-00001", "everything", "train/0000"])
def test_training_images_alone_are_divided(
    spec: Callable[..., DataSpec], tables: Path, make_images: Any, name: str
) -> None:
    write_splits(tables, make_images(30), {name: 30})
    sets = [open_split(spec(validation=5), split) for split in SPLITS]
    assert [len(each) for each in sets] == [22, 5, 3]
    assert sorted(index for each in sets for index in everything(each)[:, 0, 0, 0].tolist()) == [*range(30)]
    alone = spec(path=str(tables / f"{name}.parquet"), validation=5)
    np.testing.assert_array_equal(pixels(open_split(alone, "train")), pixels(sets[0]))


def test_a_test_set_is_held_out_beside_validation_images(
    spec: Callable[..., DataSpec], tables: Path, make_images: Any
) -> None:
    images = make_images(30)
    write_splits(tables, images, {"train": 20, "validation": 10})
    sets = {split: open_split(spec(validation=7), split) for split in SPLITS}
    assert {split: len(each) for split, each in sets.items()} == {"train": 18, "validation": 10, "test": 2}
    np.testing.assert_array_equal(pixels(sets["validation"]), images[20:])
    joined = np.concatenate([pixels(sets["train"]), pixels(sets["test"])])
    assert sorted(joined[:, 0, 0, 0].tolist()) == [*range(20)]
    assert "there is no split test: a tenth of the training images is for testing" in remarks(sets["train"])


def test_a_configuration_is_a_folder(spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
    images = make_images(40)
    write_splits(tables, images, {"small/train": 12, "large/data/train": 28, "large/data/test": 0})
    (tables / "large" / "data" / "test.parquet").unlink()
    np.testing.assert_array_equal(everything(open_split(spec(config="small"), "train")).shape, (11, 8, 8, 1))
    assert len(open_split(spec(config="large"), "train")) == 26
    unclear = error(spec())
    assert "the parquet files are of several configurations: large/, small/" in str(unclear)
    assert unclear.help.startswith('set data.config to "large" or "small"')
    other = error(spec(config="medium"))
    assert "there is no folder of the configuration `medium`; the parquet files are in large/, small/" in str(other)


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
    spec: Callable[..., DataSpec], tables: Path, make_images: Any, names: list[str], reason: str, way_out: str
) -> None:
    write_splits(tables, make_images(30), dict.fromkeys(names, 5))
    found = error(spec())
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
    spec: Callable[..., DataSpec], tables: Path, file: str | None, reason: str, way_out: str
) -> None:
    tables.mkdir()
    if file is not None:
        (tables / file).parent.mkdir(exist_ok=True)
        (tables / file).write_bytes(b"x")
    found = error(spec())
    assert reason in str(found)
    assert way_out in found.help


def test_other_files_and_missing_ones(spec: Callable[..., DataSpec], tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}")
    (tmp_path / "rows.zip").write_bytes(b"PK\x03\x04")
    assert "to_parquet" in error(spec(path=str(tmp_path / "rows.jsonl"))).help
    assert "unzip" in error(spec(path=str(tmp_path / "rows.zip"))).help
    assert "were not found; expected parquet files" in str(error(spec(path=str(tmp_path / "nowhere"))))


def test_damaged_files_are_all_named(spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
    write_splits(tables, make_images(30), {f"train-0000{n}-of-00004": 5 for n in range(4)})
    files = sorted(tables.iterdir())
    files[0].write_bytes(files[0].read_bytes()[:-100])
    files[1].write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    files[2].write_bytes(b"hello")
    found = error(spec())
    assert "3 parquet files cannot be used" in str(found)
    assert f"{files[0]}: it is truncated or damaged" in str(found)
    assert f"{files[1]}: it is a Git LFS pointer" in str(found)
    assert f"{files[2]}: it is not a parquet file" in str(found)
    assert "git lfs pull" in found.help


def test_links_are_followed_and_dead_ones_named(
    spec: Callable[..., DataSpec], tables: Path, tmp_path: Path, make_images: Any
) -> None:
    """The cache of the Hub has links to files without a suffix."""
    write_splits(tmp_path / "blobs", make_images(30), {"a": 20, "b": 10})
    tables.mkdir()
    (tables / "train.parquet").symlink_to(tmp_path / "blobs" / "a.parquet")
    (tables / "test.parquet").symlink_to(tmp_path / "blobs" / "b.parquet")
    (tables / "data").symlink_to(tables, target_is_directory=True)
    assert [len(open_split(spec(), split)) for split in ("train", "test")] == [20, 10]
    (tmp_path / "blobs" / "b.parquet").unlink()
    assert f"{tables / 'test.parquet'}: it is a link to {tmp_path / 'blobs' / 'b.parquet'}, which does not" in str(
        error(spec())
    )


def test_a_file_that_is_damaged_inside(spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
    path = write_table(tables / "train.parquet", {"image": files_of(make_images(200))}, row_group_size=50)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3_000] = bytes(3_000)
    path.write_bytes(content)
    found = error(spec())
    assert f"{path}" in str(found)
    assert "cannot be" in str(found)
    assert found.exit_code == ExitCode.DATA


def test_an_empty_split_is_refused(spec: Callable[..., DataSpec], tables: Path, make_images: Any) -> None:
    write_table(tables / "train.parquet", {"image": files_of(make_images(12))})
    column = pa.array([], type=pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    write_table(tables / "test.parquet", {"image": column})
    found = error(spec())
    assert "test.parquet: the table has no rows" in str(found)
    assert found.help == "remove the empty split"


# --- the prepared images


def test_tables_are_prepared_once(
    spec: Callable[..., DataSpec], tables: Path, make_images: Any, monkeypatch: pytest.MonkeyPatch, cache_folder: Path
) -> None:
    write_splits(tables, make_images(30), {"train": 20, "test": 10})
    first = open_split(spec(), "train")
    before = fingerprint(first)
    (folder,) = (path for path in (cache_folder / "hf" / "ada").iterdir() if path.is_dir())
    assert folder.name.startswith("faces@")
    assert f"the images were prepared in {folder}" in remarks(first)

    def again(*_: object, **__: object) -> None:
        raise AssertionError("prepared again")

    with monkeypatch.context() as patch:
        patch.setattr("hvaedsl_runtime.data.prepare.prepare", again)
        assert fingerprint(open_split(spec(), "train")) == before
        patch.chdir(tables.parent)
        assert fingerprint(open_split(spec(path="tables"), "train")) == before

    # Another file under the same name is other images.
    write_splits(tables, make_images(30, seed=1), {"train": 20, "test": 10})
    os.utime(tables / "train.parquet", ns=(1, 1))
    assert fingerprint(open_split(spec(), "train")) != before


def test_a_damaged_copy_is_to_be_removed(
    spec: Callable[..., DataSpec], tables: Path, make_images: Any, cache_folder: Path
) -> None:
    write_splits(tables, make_images(30), {"train": 20, "test": 10})
    open_split(spec(), "train")
    (array,) = cache_folder.rglob("train.npy")
    array.write_bytes(array.read_bytes()[:-1])
    assert error(spec()).help == f"remove {array.parent}; the images are then prepared again"


def test_a_cache_that_cannot_be_written(
    spec: Callable[..., DataSpec], tables: Path, make_images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_splits(tables, make_images(30), {"train": 20, "test": 10})
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HVAEDSL_DATA", str(tmp_path / "file"))
    found = error(spec())
    assert "cannot be written" in str(found)
    assert "set HVAEDSL_DATA to a folder for images" in found.help


def test_without_the_extra_one_error_names_it(
    spec: Callable[..., DataSpec], tables: Path, make_images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_splits(tables, make_images(30), {"train": 20, "test": 10})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    found = error(spec())
    assert isinstance(found, UsageError)
    assert "need the extra `hf` (pyarrow missing): pip install 'hvaedsl[hf]'" in str(found)
    monkeypatch.undo()


def test_one_process_prepares_and_others_wait_for_it(
    spec: Callable[..., DataSpec], tables: Path, make_images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_splits(tables, make_images(30), {"train": 20, "test": 10})
    real, calls, begun = prepare.prepare, [], threading.Event()

    def slow(*arguments: Any, **options: Any) -> Manifest:
        calls.append(arguments)
        begun.set()
        time.sleep(0.3)
        return real(*arguments, **options)

    monkeypatch.setattr(prepare, "prepare", slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(open_split, spec(), "train")
        assert begun.wait(60)
        second = pool.submit(open_split, spec(), "train")
        assert fingerprint(first.result()) == fingerprint(second.result())
    assert len(calls) == 1


# --- downloads


def load(splits: dict[str, Pixels], **options: Any) -> Callable[..., Any]:
    """A substitute for `datasets.load_dataset` that makes a dataset of these images."""
    datasets = pytest.importorskip("datasets")

    def loaded(name: str, config: str | None = None) -> Any:
        assert (name, config) == ("ada/faces", options.get("config"))
        features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
        return datasets.DatasetDict(
            {
                split: datasets.Dataset.from_dict(
                    {"image": files_of(images), "label": [*range(len(images))]}, features=features
                )
                for split, images in splits.items()
            }
        )

    return loaded


def test_a_download_is_prepared_and_then_needs_no_network(
    make_spec: MakeSpec, make_images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    images = make_images(40)
    parts = {"train": images[:20], "test": images[20:30], "extra": images[30:]}
    monkeypatch.setattr(datasets, "load_dataset", load(parts, config="plain"))
    spec = make_spec(NAME, validation=4, config="plain")
    assert "splits that are not taken: extra" in remarks(open_split(spec, "train"))
    np.testing.assert_array_equal(pixels(open_split(spec, "test")), images[20:30])

    monkeypatch.setattr(datasets, "load_dataset", load({}, config="another"))
    assert [len(open_split(spec, split)) for split in SPLITS] == [16, 4, 10]


def test_images_of_a_download_may_be_files_beside_it(
    tmp_path: Path, make_spec: MakeSpec, make_images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dataset of image files has their paths, and no bytes."""
    datasets = pytest.importorskip("datasets")
    images = make_images(30)
    for split, part in {"train": images[:20], "test": images[20:]}.items():
        (tmp_path / "repo" / split).mkdir(parents=True)
        for index, image in enumerate(part):
            (tmp_path / "repo" / split / f"{index:03}.png").write_bytes(encoded(image))
    real = datasets.load_dataset
    cache = str(tmp_path / "hf")
    monkeypatch.setattr(datasets, "load_dataset", lambda _, __: real(str(tmp_path / "repo"), cache_dir=cache))
    datasets.disable_progress_bars()
    np.testing.assert_array_equal(pixels(open_split(make_spec(NAME, validation=0), "train")), images[:20])


@pytest.mark.parametrize(
    ("raised", "way_out"),
    [
        (ConnectionError("Couldn't reach 'ada/faces' on the Hub"), "HF_HUB_OFFLINE=1"),
        (ValueError("BuilderConfig 'x' not found. Available: ['a', 'b']"), "set data.config to one of the"),
        (type("DatasetNotFoundError", (FileNotFoundError,), {})("it doesn't exist"), "correct data.dataset"),
        (type("GatedRepoError", (OSError,), {})("403"), "hf auth login"),
        (RuntimeError("Dataset scripts are no longer supported"), "set data.path to its parquet files"),
    ],
)
def test_a_download_that_fails_is_one_error(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, raised: Exception, way_out: str
) -> None:
    datasets = pytest.importorskip("datasets")

    def fails(*_: object) -> None:
        raise raised

    monkeypatch.setattr(datasets, "load_dataset", fails)
    found = error(make_spec(NAME))
    assert str(found) == f"{NAME}: cannot be loaded from the Hugging Face Hub: {raised}"
    assert way_out in found.help


def test_the_reader_is_not_part_of_a_run_without_it(tmp_path: Path) -> None:
    """Neither package of the extra is imported for other datasets."""
    import subprocess

    code = (
        "import sys, hvaedsl_runtime.data; print(json.dumps([m for m in ('pyarrow', 'datasets') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", f"import json\n{code}"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
