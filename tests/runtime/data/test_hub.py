"""Datasets of the Hugging Face Hub: tables are prepared once, from files or from a download."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data import Split, fingerprint, open_split, prepare, remarks
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.data.manifest import Manifest
from tests.runtime.data.parquet_tables import (
    NAME,
    encoded,
    error,
    files_of,
    pixels,
    write_splits,
)

pa = pytest.importorskip("pyarrow")
pytest.importorskip("filelock")


MakeSpec = Callable[..., DataSpec]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


# --- the prepared images


def test_tables_are_prepared_once(
    hub_spec: Callable[..., DataSpec],
    tables: Path,
    make_images: Any,
    monkeypatch: pytest.MonkeyPatch,
    cache_folder: Path,
) -> None:
    write_splits(tables, make_images(30), {"train": 20, "test": 10})
    first = open_split(hub_spec(), "train")
    before = fingerprint(first)
    (folder,) = (path for path in (cache_folder / "hf" / "ada").iterdir() if path.is_dir())
    assert folder.name.startswith("faces@")
    assert f"the images were prepared in {folder}" in remarks(first)

    def again(*_: object, **__: object) -> None:
        raise AssertionError("prepared again")

    with monkeypatch.context() as patch:
        patch.setattr("hvaedsl_runtime.data.prepare.prepare", again)
        assert fingerprint(open_split(hub_spec(), "train")) == before
        patch.chdir(tables.parent)
        assert fingerprint(open_split(hub_spec(path="tables"), "train")) == before

    # Another file under the same name is other images.
    write_splits(tables, make_images(30, seed=1), {"train": 20, "test": 10})
    os.utime(tables / "train.parquet", ns=(1, 1))
    assert fingerprint(open_split(hub_spec(), "train")) != before


def test_a_damaged_copy_is_to_be_removed(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any, cache_folder: Path
) -> None:
    write_splits(tables, make_images(30), {"train": 20, "test": 10})
    open_split(hub_spec(), "train")
    (array,) = cache_folder.rglob("train.npy")
    array.write_bytes(array.read_bytes()[:-1])
    assert error(hub_spec()).help == f"remove {array.parent}; the images are then prepared again"


def test_a_cache_that_cannot_be_written(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_splits(tables, make_images(30), {"train": 20, "test": 10})
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HVAEDSL_DATA", str(tmp_path / "file"))
    found = error(hub_spec())
    assert "cannot be written" in str(found)
    assert "set HVAEDSL_DATA to a folder for images" in found.help


def test_without_the_extra_one_error_names_it(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_splits(tables, make_images(30), {"train": 20, "test": 10})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    found = error(hub_spec())
    assert isinstance(found, UsageError)
    assert "need the extra `hf` (pyarrow missing): pip install 'hvaedsl[hf]'" in str(found)
    monkeypatch.undo()


def test_one_process_prepares_and_others_wait_for_it(
    hub_spec: Callable[..., DataSpec], tables: Path, make_images: Any, monkeypatch: pytest.MonkeyPatch
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
        first = pool.submit(open_split, hub_spec(), "train")
        assert begun.wait(60)
        second = pool.submit(open_split, hub_spec(), "train")
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
