"""Commands on datasets of the Hugging Face Hub: prepared, shown, verified, trained and resumed."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runtime.data.parquet_tables import files_of, lists, write_table

pytest.importorskip("pyarrow")
pytest.importorskip("filelock")
Command = Callable[..., tuple[object, str, str]]
Curve = Callable[[Path], list[dict[str, Any]]]

SPEC = """hvae 1
data {{ dataset = "hf:ada/faces"  path = "{path}"  channels = 1  resolution = 8  levels = 17  validation = 10  {more} }}
model {{ width = 8  latent = 2  encoder = 8x1, 8d2, 4x1  decoder = 4r2, 8m4, 8x1 }}
train {{ steps = 4  batch_size = 4  learning_rate = 1e-3  eval_every = 2  save_every = 2 }}
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that images are prepared in."""
    monkeypatch.setenv("HVAEDSL_DATA", str(tmp_path / "prepared"))
    return tmp_path / "prepared"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """40 training and 12 test images, in the files of a configuration."""
    images = np.random.default_rng(0).integers(0, 17, (52, 8, 8), dtype=np.uint8)
    for split, part in {"train": images[:40], "test": images[40:]}.items():
        write_table(tmp_path / "tables" / "gray" / f"{split}-00000-of-00001.parquet", {"image": lists(part)})
    return tmp_path / "tables"


def write_spec(folder: Path, path: Path, more: str = "") -> Path:
    spec = folder / "faces.hvae"
    spec.write_text(SPEC.format(path=path, more=more), encoding="utf-8")
    return spec


def test_prepared_images_are_shown_verified_and_trained_on(
    tmp_path: Path, tables: Path, command: Command, curve: Curve
) -> None:
    out = tmp_path / "out"
    shape = ("--resolution", "8", "--channels", "1", "--levels", "17", "--config", "gray")
    code, said, err = command("data", "prepare", "hf:ada/faces", "--from", tables, "--out", out, *shape)
    assert (code, err) == (0, "")
    assert "hf:ada/faces, 8x8x1, 17 levels, uint8" in said
    assert "from: parquet files, configuration gray, column image" in said
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["dataset"], manifest["config"], manifest["column"]) == ("hf:ada/faces", "gray", "image")
    assert [Path(origin["path"]).name for origin in manifest["origins"]] == [
        "train-00000-of-00001.parquet",
        "test-00000-of-00001.parquet",
    ]
    assert "52 images, all checksums agree" in command("data", "verify", out)[1]
    assert "column image" in command("data", "show", out)[1]

    # The same curve as on the files themselves.
    assert command("train", write_spec(tmp_path, out), "--out", tmp_path / "a", "--device", "cpu")[0] == 0
    assert command("train", write_spec(tmp_path, tables), "--out", tmp_path / "b", "--device", "cpu")[0] == 0
    assert curve(tmp_path / "a") == curve(tmp_path / "b")

    (out / "train.npy").write_bytes((out / "train.npy").read_bytes()[:-1] + b"\1")
    code, _, err = command("data", "verify", out)
    assert code == 4
    assert "train.npy" in err


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ('config = "color"', "the config that the images were prepared from is gray; data.config is color"),
        ('column = "img"', "the column that the images were prepared from is image; data.column is img"),
    ],
)
def test_images_of_another_configuration_or_column_are_refused(
    tmp_path: Path, tables: Path, command: Command, more: str, reason: str
) -> None:
    out = tmp_path / "out"
    shape = ("--resolution", "8", "--channels", "1", "--levels", "17", "--config", "gray")
    assert command("data", "prepare", "hf:ada/faces", "--from", tables, "--out", out, *shape)[0] == 0
    code, _, err = command("train", write_spec(tmp_path, out, more), "--out", tmp_path / "run", "--device", "cpu")
    assert code == 4
    assert reason in err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("hf:ada/faces",), "the dataset hf:ada/faces needs --resolution and --channels (1 to 64)"),
        (("https://huggingface.co/datasets/ada/faces",), "write hf:ada/faces"),
        (("cifar10", "--config", "x"), "--config and --column are only for Hugging Face datasets"),
        (("cifar10",), "--from is missing; give the folder of the files of cifar10"),
        (("hf:a/b", "--resolution", "8", "--channels", "3", "--crop", "none"), "--crop: only for the dataset folder"),
    ],
)
def test_wrong_options_of_prepare(command: Command, arguments: tuple[str, ...], reason: str) -> None:
    code, _, err = command("data", "prepare", *arguments)
    assert code == 2
    assert reason in " ".join(err.split())


def test_without_the_extra_it_is_named(
    tmp_path: Path, tables: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = ("--resolution", "8", "--channels", "1", "--levels", "17", "--config", "gray")
    for package, source in (("pyarrow", ("--from", tables)), ("datasets", ())):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            code, _, err = command("data", "prepare", "hf:ada/faces", *source, "--out", tmp_path / "out", *shape)
        assert code == 2
        assert f"({package} missing): pip install 'hvaedsl[hf]'" in " ".join(err.split())


def test_files_are_fitted_as_the_options_say(tmp_path: Path, command: Command) -> None:
    colors = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    table = write_table(tmp_path / "faces.parquet", {"image": files_of(colors)})
    shape = ("--resolution", "8", "--channels", "1")
    asked = ("data", "prepare", "hf:ada/faces", "--from", table, "--out", tmp_path / "out", *shape)
    code, _, err = command(*asked)
    assert code == 4
    assert "20 rows cannot be used" in err
    code, said, _ = command(*asked, "--fit", "resize", "--gray")
    assert code == 0
    assert "20 resized, 20 converted from color to gray" in said


def test_changed_files_are_noticed_on_resume(tmp_path: Path, tables: Path, command: Command) -> None:
    run = tmp_path / "run"
    assert command("train", write_spec(tmp_path, tables), "--out", run, "--device", "cpu")[0] == 0
    images = np.random.default_rng(1).integers(0, 17, (40, 8, 8), dtype=np.uint8)
    write_table(tables / "gray" / "train-00000-of-00001.parquet", {"image": lists(images)})
    resumed = ("train", run / "spec.hvae", "--out", run, "--device", "cpu", "--resume", "--set", "train.steps=6")
    code, _, err = command(*resumed)
    assert code == 5
    assert "train: the checksum in the manifest of the prepared images differs" in err
    assert command(*resumed, "--accept-images")[0] == 0


def test_windows_of_images_that_are_prepared_larger(tmp_path: Path, command: Command, elsewhere: Path) -> None:
    images = np.random.default_rng(0).integers(0, 17, (60, 10, 12), dtype=np.uint8)
    for split, part in {"train": images[:40], "validation": images[40:50], "test": images[50:]}.items():
        write_table(tmp_path / "large" / f"{split}.parquet", {"image": lists(part)})
    spec = write_spec(tmp_path, tmp_path / "large")
    crop = ("--set", "train.augment.random_crop=10,12", "--set", "data.validation=0")
    code, said, err = command("train", spec, "--out", tmp_path / "run", "--device", "cpu", *crop)
    assert code == 0, err
    assert "images: 40 train, 10 validation, 10 test" in said
    (manifest,) = elsewhere.rglob("manifest.json")
    assert json.loads(manifest.read_text())["resolution"] == [10, 12]


def test_the_files_of_a_prepared_set_are_verified(tmp_path: Path, tables: Path, command: Command) -> None:
    options = ("--from", tables, "--resolution", "8", "--channels", "1", "--levels", "17", "--out", tmp_path / "set")
    assert not command("data", "prepare", "hf:ada/faces", *options)[0]
    files = sorted(tables.rglob("*.parquet"))
    origins = {
        Path(each["path"]): each["sha256"]
        for each in json.loads((tmp_path / "set/manifest.json").read_text())["origins"]
    }
    assert origins == {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    code, out, _ = command("data", "verify", tmp_path / "set")
    assert not code
    assert "52 images, all checksums agree" in out
    assert "files that they were prepared from: 2 unchanged" in out

    # One that is gone is no mistake: the images do not need it. One that has changed is.
    moved = files[0].rename(tmp_path / "moved.parquet")
    code, out, _ = command("data", "verify", tmp_path / "set")
    assert not code
    assert "1 unchanged; 1 are not there any more" in " ".join(out.split())
    moved.rename(files[0])
    content = bytearray(files[1].read_bytes())
    content[len(content) // 2] ^= 1
    files[1].write_bytes(content)
    code, _, err = command("data", "verify", tmp_path / "set")
    assert code == 4
    assert f"{files[1].name}: its checksum is" in " ".join(err.split())
    assert "prepare the images again from these" in " ".join(err.split())
    code, out, _ = command("data", "verify", tmp_path / "set", "--json")
    assert code == 4
    sources = json.loads(out)["sources"]
    assert (sources["agree"], sources["missing"], len(sources["changed"])) == (1, [], 1)
