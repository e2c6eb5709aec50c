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

from hvaedsl.diagnostics.errors import RunError, UnusableImages, UsageError
from hvaedsl_runtime.data import open_split, remarks
from hvaedsl_runtime.data.fitting import Fitting
from hvaedsl_runtime.data.manifest import FitRecord, Manifest
from hvaedsl_runtime.data.prepare import Bar, check_source, data_to_prepare, fitting_of, prepare
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


@pytest.mark.skipif(os.name != "posix", reason="flock")
def test_of_two_that_prepare_one_set_the_second_is_refused(photos: Path, tmp_path: Path) -> None:
    """While the first one decodes images, the second finds its folder, or the complete set at the end."""
    target, others = tmp_path / "set", tmp_path / "others"
    others.mkdir()
    Image.fromarray(np.full((8, 8), 3, dtype=np.uint8)).save(others / "0.png")
    refused: list[str] = []

    @contextmanager
    def interrupted(description: str, images: int) -> Iterator[Callable[[int], None]]:
        fails(others, target, "set: cannot be written: another process is writing it", overwrite=True, code=5)
        refused.append(description)
        yield nothing

    run(photos, target, bar=interrupted)
    assert len(refused) == 1
    assert len(PreparedSet.at(target).manifest.arrays) == 1
    assert np.load(target / "all.npy").shape == (20, 8, 8, 1)
    assert not PreparedSet.at(target).damaged(nothing)
    fails(others, target, "already holds prepared images")


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


def test_bad_files_of_all_parts_are_named_in_one_pass(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for split in ("train", "test"):
        (photos / split).mkdir()
    for index in range(20):
        (photos / f"{index:02}.png").rename(photos / ("train" if index < 15 else "test") / f"{index:02}.png")
    for name in ("train/03.png", "train/11.png", "test/17.png"):
        (photos / name).write_bytes(b"")
    opened: list[str] = []
    real = Path.open

    def counted(path: Path, *arguments: Any) -> Any:
        opened.append(path.name)
        return real(path, *arguments)

    monkeypatch.setattr(Path, "open", counted)
    with pytest.raises(UnusableImages, match=r"(?s)^3 image files .*03\.png: .*11\.png: .*17\.png: ") as caught:
        run(photos, tmp_path / "set")
    assert caught.value.help == "replace or remove damaged files"
    assert sorted(name for name in opened if name.endswith(".png")) == [f"{index:02}.png" for index in range(20)]
    assert not (tmp_path / "set.partial").exists()


def test_the_manifest_says_what_was_allowed_and_what_was_done(photos: Path, tmp_path: Path, make_spec: Any) -> None:
    Image.new("RGB", (20, 16), (255, 0, 0)).save(photos / "00.png")
    Image.new("LA", (8, 8), (40, 0)).save(photos / "01.png")
    (photos / "notes.txt").touch()
    target = tmp_path / "set"
    fitting = fitting_of("folder", 1, crop=None, resize=None, gray=True, background="white")
    manifest = prepare(data_to_prepare("folder", 8, 1), photos, target, overwrite=False, bar=no_bar, fitting=fitting)
    assert manifest.fit == FitRecord(fit="crop_resize", crop="center", resize=True, gray=True, background="#ffffff")
    changed = {change: files for change, files in manifest.changes.items() if files}
    assert changed == {"files": 20, "cropped": 1, "resized": 1, "color_to_gray": 1, "composited": 1}
    assert manifest.warnings == ("files that are not taken (1): 1 .txt (not images)",)
    assert np.load(target / "all.npy")[:2, 0, 0, 0].tolist() == [76, 255]  # ITU-R 601: 0.299 * 255
    text = "of 20 files: 1 cropped to the center, 1 resized, 1 converted from color to gray, 1 composited"
    assert text in PreparedSet.at(target).summary()
    (said,) = remarks(open_split(make_spec("folder", path=str(target)), "train"))
    assert said.startswith("of 20 files, when they were prepared: 1 cropped")

    # A manifest of an earlier version has neither.
    content = json.loads((target / "manifest.json").read_text())
    (target / "manifest.json").write_text(json.dumps({k: v for k, v in content.items() if k not in ("fit", "changes")}))
    assert PreparedSet.at(target).manifest.changes == {}
    assert remarks(open_split(make_spec("folder", path=str(target)), "train")) == ()


def test_prepared_and_raw_folders_refuse_the_same_files(photos: Path, tmp_path: Path, make_spec: Any) -> None:
    Image.new("RGBA", (8, 8)).save(photos / "00.png")
    Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16)).save(photos / "07.png")
    Image.new("RGB", (8, 8), (1, 2, 3)).save(photos / "09.png")
    with pytest.raises(UnusableImages) as prepared:
        run(photos, tmp_path / "set")
    images = open_split(make_spec("folder", path=str(photos), validation=0), "train")
    with pytest.raises(UnusableImages) as raw:
        images.images.read(np.arange(20))
    assert (str(prepared.value), prepared.value.help) == (str(raw.value), raw.value.help)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("celeba", {"crop": True}, "--crop: only for the dataset folder"),
        ("celeba", {"background": "white", "gray": True}, "--gray, --background: only for the dataset folder"),
        ("folder", {"background": "grey"}, "--background is `grey`; it must be white, black or #rrggbb"),
        ("folder", {"background": "#fff"}, "--background is `#fff`"),
        ("folder", {"gray": True, "channels": 3}, "--gray needs --channels 1; --channels is 3"),
    ],
)
def test_options_that_do_not_fit_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    defaults: dict[str, Any] = {"channels": 1, "crop": None, "resize": None, "gray": False, "background": None}
    given = defaults | options
    with pytest.raises(UsageError, match=message):
        fitting_of(name, given.pop("channels"), **given)
    assert fitting_of("folder", 1, **{key: value for key, value in defaults.items() if key != "channels"}) == Fitting()


def test_a_name_that_is_not_utf_8_is_kept_in_the_manifest(photos: Path, tmp_path: Path, command: Any) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        photos.rename(folder)
    except (OSError, UnicodeEncodeError):
        pytest.skip("the file system takes no such name")
    assert [origin.path for origin in run(folder, tmp_path / "set").origins] == [str(folder)]
    assert [origin.path for origin in PreparedSet.at(tmp_path / "set").manifest.origins] == [str(folder)]
    for arguments in ((), ("--json",)):
        code, out, err = command("data", "show", tmp_path / "set", *arguments)
        assert (code, err) == (0, "")
    assert json.loads(out)["origins"][0]["path"] == str(folder)


def test_messages_name_the_option_and_not_the_key_of_a_spec(photos: Path, tmp_path: Path) -> None:
    def refused(folder: Path) -> str:
        with pytest.raises(RunError) as caught:
            run(folder, tmp_path / "set")
        report = caught.value.report
        assert "data.path" not in report
        return report

    (tmp_path / "empty").mkdir()
    assert f"{tmp_path}/empty (--from)" in refused(tmp_path / "empty")
    photos.rename(tmp_path / "train")
    assert "set --from to one folder of image files" in refused(tmp_path)
    (tmp_path / "train").rename(tmp_path / "eval")
    assert "set --from to the folder with the images" in refused(tmp_path)
    (tmp_path / "eval").rename(tmp_path / "train")
    (tmp_path / "deep" / "photos").mkdir(parents=True)
    (tmp_path / "train").rename(tmp_path / "deep" / "photos" / "train")
    shutil.copytree(tmp_path / "deep" / "photos" / "train", tmp_path / "deep" / "photos" / "test")
    assert f"set --from to {tmp_path}/deep/photos" in refused(tmp_path / "deep")


@pytest.mark.parametrize(("kind", "unpacks"), [("zip", "unzip"), ("gztar", "tar -xf"), ("tar", "tar -xf")])
def test_an_archive_is_refused_with_the_command_that_unpacks_it(
    photos: Path, tmp_path: Path, make_spec: Any, kind: str, unpacks: str
) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "all photos"), kind, photos))
    with pytest.raises(UsageError, match=r"--from is .*archive.*, and --from must be a folder") as caught:
        check_source(archive)
    assert f"{unpacks} '{archive}'" in caught.value.help
    for dataset in ("folder", "npy"):
        with pytest.raises(RunError, match="archive") as from_spec:
            open_split(make_spec(dataset, path=str(archive)), "train")
        assert f"{unpacks} '{archive}'" in from_spec.value.help
    photos.joinpath("notes.zip").touch()
    assert run(photos, tmp_path / "set").warnings == ("files that are not taken (1): 1 .zip (archives; unpack them)",)


def test_what_is_no_folder_is_refused(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "dead").symlink_to(tmp_path / "nowhere")
    for path, words in (
        (photos / "00.png", "is a file"),
        (tmp_path / "none", "none, which does not exist"),
        (tmp_path / "dead", "a link to .*nowhere, which does not exist"),
    ):
        with pytest.raises(UsageError, match=words):
            check_source(path)
    check_source(photos)


def test_the_working_directory_is_not_replaced(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell would be in a folder that does not exist any more."""
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    for target in (Path(), tmp_path / "new"):
        with pytest.raises(UsageError, match="the working directory") as caught:
            run(photos, target)
        assert caught.value.help == "name a new folder in it"
    assert not [*(tmp_path / "new").iterdir()]
