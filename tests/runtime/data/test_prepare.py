"""Preparing: what is written, what is refused, and that nothing half written is taken for a set."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hvaedsl.diagnostics.errors import RunError
from hvaedsl_runtime.data import open_split
from hvaedsl_runtime.data.manifest import Manifest
from hvaedsl_runtime.data.prepare import Bar, data_to_prepare, prepare
from hvaedsl_runtime.data.prepared import PreparedSet


def nothing(images: int) -> None:
    pass


@contextmanager
def no_bar(description: str, images: int) -> Iterator[Callable[[int], None]]:
    yield nothing


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """20 gray images of 8x8 pixels in one flat folder."""
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 200, (20, 8, 8), dtype=np.uint8)
    for index, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{index:02}.png")
    return folder


def run(photos: Path, target: Path, *, overwrite: bool = False, bar: Bar = no_bar) -> Manifest:
    return prepare(data_to_prepare("folder", 8, 1), photos, target, overwrite=overwrite, bar=bar)


def fails(photos: Path, target: Path, message: str, *, overwrite: bool = False, code: int = 4) -> None:
    with pytest.raises(RunError, match=message) as caught:
        run(photos, target, overwrite=overwrite)
    assert caught.value.exit_code == code


def test_arrays_and_manifest_agree(photos: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []

    @contextmanager
    def bar(description: str, images: int) -> Iterator[Callable[[int], None]]:
        yield lambda done: told.append((description, done))

    manifest = run(photos, tmp_path / "deep" / "set", bar=bar)
    assert sum(done for _, done in told) == 20
    array = np.load(tmp_path / "deep" / "set" / "all.npy")
    assert (array.shape, array.dtype) == ((20, 8, 8, 1), np.uint8)
    record = manifest.arrays["all"]
    content = (tmp_path / "deep" / "set" / "all.npy").read_bytes()
    assert (record.sha256, record.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    np.testing.assert_array_equal(record.level_counts, np.bincount(array.ravel(), minlength=256))
    assert record.mean == pytest.approx(array.mean(), rel=1e-12)
    assert record.std == pytest.approx(array.std(), rel=1e-12)
    assert [(origin.path, origin.files) for origin in manifest.origins] == [(str(photos), 20)]
    assert PreparedSet.at(tmp_path / "deep" / "set").manifest == manifest
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["set"]


def test_what_is_there_is_not_overwritten_unasked(photos: Path, tmp_path: Path) -> None:
    target = tmp_path / "set"
    run(photos, target)
    before = (target / "all.npy").read_bytes()
    fails(photos, target, "already holds prepared images")
    (photos / "00.png").unlink()
    run(photos, target, overwrite=True)
    assert (target / "all.npy").read_bytes() != before
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir() and path != tmp_path / "cache") == [
        "photos",
        "set",
    ]
    (target / "mine.txt").write_text("precious")
    fails(photos, target, "holds no prepared images; it is not overwritten", overwrite=True)
    fails(photos, photos, "holds no prepared images", overwrite=True)
    assert (target / "mine.txt").exists()
    fails(photos, photos / "01.png", "holds no prepared images", overwrite=True)


def test_a_bad_file_in_the_middle_leaves_the_old_set(photos: Path, tmp_path: Path) -> None:
    target = tmp_path / "set"
    run(photos, target)
    before = (target / "all.npy").read_bytes()
    (photos / "10.png").write_bytes((photos / "10.png").read_bytes()[:50])
    fails(photos, target, r"10\.png: the image cannot be read", overwrite=True)
    assert (target / "all.npy").read_bytes() == before
    assert not (tmp_path / "set.partial").exists()


def test_what_a_killed_process_left_is_replaced(photos: Path, tmp_path: Path) -> None:
    target, partial = tmp_path / "set", tmp_path / "set.partial"
    partial.mkdir()
    (partial / "all.npy").write_bytes(b"half")
    run(photos, target)
    assert not partial.exists()
    partial.mkdir()
    (partial / "mine.txt").write_text("precious")
    fails(photos, target, r"set\.partial exists and is not left", overwrite=True)
    assert (partial / "mine.txt").exists()
    shutil.rmtree(partial)
    target.rename(tmp_path / "set.replaced")  # killed between two renamings
    fails(photos, target, "already holds prepared images")
    assert (target / "all.npy").exists()


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_preparation_is_no_set(tmp_path: Path, make_spec: Any, number: signal.Signals) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (900, 900, 3), dtype=np.uint8)).save(folder / "0.png")
    for index in range(1, 400):
        os.link(folder / "0.png", folder / f"{index}.png")
    target = tmp_path / "set"
    command = [sys.executable, "-c", "from hvaedsl.cli.main import run; run()", "data", "prepare", "folder"]
    options = ["--from", folder, "--out", target, "--resolution", "512", "--channels", "3"]
    process = subprocess.Popen([*command, *map(str, options)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    array = tmp_path / "set.partial" / "all.npy"
    while not (array.exists() and array.stat().st_size > 2**20):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert not target.exists()
    if number is signal.SIGINT:
        assert process.returncode == 130
        assert not array.parent.exists()
        assert b"Traceback" not in err
    else:
        assert array.exists()
    spec = make_spec("folder", path=str(target), channels=3, resolution=512)
    with pytest.raises(RunError, match="were not found"):
        open_split(spec, "train")


def test_a_full_disk_is_told_before_and_while_writing(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        usage = shutil.disk_usage(tmp_path)._replace(free=1)
        patched.setattr("shutil.disk_usage", lambda _: usage)
        fails(photos, tmp_path / "set", "the images need .* GiB; 0.0 GiB are free", code=5)
    if Path("/dev/full").exists():
        real = Path.open
        monkeypatch.setattr(
            Path,
            "open",
            lambda path, mode: real(*((Path("/dev/full"), "wb") if path.suffix == ".npy" else (path, mode))),
        )
        fails(photos, tmp_path / "set", "cannot be written: No space left on device", code=5)
        assert not (tmp_path / "set").exists()
        assert not (tmp_path / "set.partial").exists()


def test_a_target_that_cannot_be_made_is_told(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fails(photos, tmp_path / "file" / "set", "cannot be written: Not a directory", code=5)
    if os.geteuid() != 0:
        (tmp_path / "closed").mkdir(mode=0o500)
        fails(photos, tmp_path / "closed" / "set", "cannot be written: Permission denied", code=5)


def test_fewer_images_than_published_are_told(tmp_path: Path) -> None:
    for name, count in (("train_data_batch_1", 3), ("val_data", 2)):
        np.savez(tmp_path / f"{name}.npz", data=np.zeros((count, 3072), dtype=np.uint8), labels=np.ones(count))
    manifest = prepare(
        data_to_prepare("imagenet32", None, None), tmp_path, tmp_path / "set", overwrite=False, bar=no_bar
    )
    assert manifest.warnings == ("found 3 of 1,281,167 images (train)", "found 2 of 50,000 images (test)")
    assert json.loads((tmp_path / "set" / "manifest.json").read_text())["warnings"] == list(manifest.warnings)
