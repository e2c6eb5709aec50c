"""The walk through a folder of images: its order, symbolic links, and what it passes over."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hvaedsl.diagnostics.errors import InvalidData, RunError, UnusableImages
from hvaedsl_runtime.data import open_split, remarks
from hvaedsl_runtime.data.image_tree import others_text, search
from hvaedsl_runtime.data.prepare import data_to_prepare, prepare
from hvaedsl_runtime.data.published.source import find_files

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="symbolic links")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six images of 8x8 pixels outside the folder that is searched."""
    folder = tmp_path / "outside"
    folder.mkdir()
    for index in range(6):
        Image.fromarray(np.full((8, 8), index, dtype=np.uint8)).save(folder / f"{index}.png")
    return folder


def test_links_to_files_and_folders_are_followed(tmp_path: Path, photos: Path, make_spec: Any) -> None:
    for name in ("train", "test"):
        (tmp_path / "set" / name).mkdir(parents=True)
    (tmp_path / "set" / "train" / "cat").symlink_to(photos, target_is_directory=True)
    (tmp_path / "set" / "test" / "a.png").symlink_to(photos / "5.png")
    spec = make_spec("folder", path=str(tmp_path / "set"), validation=0)
    train, test = open_split(spec, "train"), open_split(spec, "test")
    assert train.batch(range(6))[:, 0, 0, 0].tolist() == list(range(6))
    assert test.batch([0]).max() == 5
    assert remarks(train) == ("files that are in more than one of train, test: 1",)


def test_a_whole_split_may_be_a_link(tmp_path: Path, photos: Path, make_spec: Any) -> None:
    for name in ("train", "test", "val"):
        (tmp_path / name).symlink_to(photos, target_is_directory=True)
    spec = make_spec("folder", path=str(tmp_path), validation=0)
    assert [len(open_split(spec, split)) for split in ("train", "validation", "test")] == [6, 6, 6]


def test_a_loop_is_not_followed(tmp_path: Path, photos: Path) -> None:
    root = tmp_path / "root"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        (root / name / "x.png").touch()
    (root / "a" / "up").symlink_to(root)
    (root / "a" / "top").symlink_to("/")
    (root / "a" / "b").symlink_to(root / "b")
    (root / "b" / "a").symlink_to(root / "a")
    tree = search(root)
    assert tree.names == ["a/b/x.png", "a/x.png", "b/a/x.png", "b/x.png"]
    assert sorted(tree.loops) == ["a/b/a", "a/top", "a/up", "b/a/b", "b/a/top", "b/a/up"]


def test_a_file_counts_once_for_each_link(tmp_path: Path, photos: Path, make_spec: Any) -> None:
    for name in ("first", "second"):
        (tmp_path / "set" / "train").mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / "train" / name).symlink_to(photos)
    (tmp_path / "set" / "test").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "set" / "test" / "a.png")
    train = open_split(make_spec("folder", path=str(tmp_path / "set"), validation=0), "train")
    assert len(train) == 12
    assert remarks(train) == ("6 of 12 paths (train) are links to a file that counts again for each",)


def test_a_link_to_nothing_is_named(tmp_path: Path, photos: Path, make_spec: Any) -> None:
    (photos / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (photos / "round.png").symlink_to(photos / "round.png")
    images = open_split(make_spec("folder", path=str(photos), validation=0), "train")
    with pytest.raises(RunError) as caught:
        images.counted_levels()
    assert f"gone.png: it is a link to {tmp_path}/nowhere.png, which does not exist" in str(caught.value)
    assert f"round.png: it is a link to {photos}/round.png, which leads back to it" in str(caught.value)
    assert caught.value.help == "restore the files that the links lead to, or remove the links"


def test_hidden_files_and_those_of_systems_are_passed_over(tmp_path: Path) -> None:
    for name in (".hidden/a.png", "__MACOSX/._a.png", "@eaDir/a.png", "a.png", "._a.png", "Desktop.ini", "b/.c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    tree = search(tmp_path)
    assert (tree.names, tree.others) == (["a.png"], {})
    (tmp_path / "__MACOSX" / "found.txt").touch()
    assert find_files(tmp_path, "found.txt") == []


def test_the_order_is_that_of_the_paths(tmp_path: Path) -> None:
    names = ["a.png", "a/b.png", "a-b/c.png", "B.png", "a/B.PNG"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert search(tmp_path).names == sorted(names)
    assert search(tmp_path, deep=False).names == ["B.png", "a.png"]


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make the system refuse to open files and to list folders of a name, for the superuser too."""

    def close(name: str) -> None:
        opened, listed = Path.open, os.scandir

        def refuse(path: object) -> None:
            if Path(str(path)).name == name:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))

        def scandir(path: Any) -> Any:
            refuse(path)
            return listed(path)

        def open_(path: Path, *arguments: Any, **options: Any) -> Any:
            refuse(path)
            return opened(path, *arguments, **options)

        monkeypatch.setattr(os, "scandir", scandir)
        monkeypatch.setattr(Path, "open", open_)

    return close


def test_a_closed_file_is_not_called_damaged(photos: Path, make_spec: Any, closed: Callable[[str], None]) -> None:
    closed("0.png")
    images = open_split(make_spec("folder", path=str(photos), validation=0), "train")
    with pytest.raises(UnusableImages, match=r"0\.png: it cannot be opened: permission denied$") as caught:
        images.counted_levels()
    assert "chmod" in caught.value.help


def test_a_closed_folder_is_named(tmp_path: Path, photos: Path, make_spec: Any, closed: Callable[[str], None]) -> None:
    (tmp_path / "set").mkdir()
    photos.rename(tmp_path / "set" / "cats")
    closed("cats")
    said = rf"{tmp_path}/set/cats: cannot be read: permission denied$"
    with pytest.raises(InvalidData, match=said) as caught:
        open_split(make_spec("folder", path=str(tmp_path / "set")), "train")
    assert "chmod" in caught.value.help
    spec = data_to_prepare("folder", 8, 1)
    with pytest.raises(InvalidData, match=said):
        prepare(spec, tmp_path / "set", tmp_path / "out", overwrite=False, bar=lambda *_: nullcontext(lambda _: None))


@pytest.mark.parametrize("name", ["run.json", "sweep.json"])
def test_the_pictures_of_a_run_are_no_images_of_the_folder(tmp_path: Path, name: str) -> None:
    """With `data.path = "."`, the default folder of runs is below the images."""
    for folder in ("cat", "runs/faces/pictures"):
        (tmp_path / folder).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / folder / "0.png")
    (tmp_path / "runs" / "faces" / name).write_text("{}")
    tree = search(tmp_path)
    assert tree.names == ["cat/0.png"]
    assert others_text(tree.others) == "1 folder of a run or a sweep (their pictures are results)"
    assert search(tmp_path / "runs" / "faces").names == ["pictures/0.png"]  # asked for by name
