"""Folders of images whose names are those of splits, or of classes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvaedsl.diagnostics.errors import RunError
from hvaedsl_runtime.data import Split, has_validation, open_split
from tests.runtime.data.image_folders import everything, write

SPLIT_FOLDERS = [
    ("testA", "trainA"),
    ("test_images", "train_images"),
    ("test_set", "training_set"),
    ("seg_test", "seg_train"),
    ("TRAIN_DATA", "VAL_DATA"),
    ("imgs_train", "imgs_val"),
    ("train-hr", "valid-hr"),
    ("train2017", "val2017"),
    ("testset", "trainset"),
    ("VOCtest", "VOCtrainval"),
    ("DIV2K_train_HR", "DIV2K_valid_HR"),
    ("dev.clean", "holdout part"),
]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@pytest.mark.parametrize("name", ["validation", "val", "valid"])
def test_every_name_of_the_validation_folder_is_read(
    make_spec: Any, make_images: Any, tmp_path: Path, name: str
) -> None:
    for count, split in enumerate(("train", name, "test"), start=3):
        write(tmp_path / split, make_images(count))
    spec = make_spec("folder", path=str(tmp_path), validation=0)
    assert has_validation(spec)
    assert [len(open_split(spec, split)) for split in SPLITS] == [3, 4, 5]
    write(tmp_path / ("val" if name != "val" else "valid"), make_images(2))
    for opened in (lambda: has_validation(spec), lambda: open_split(spec, "train")):
        with pytest.raises(RunError, match="only one of them can hold the validation images"):
            opened()


def test_folders_of_classes_are_divided_in_three(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    pixels = make_images(35)
    write(tmp_path / "cat", pixels[:20])
    write(tmp_path / "dog" / "small", pixels[20:])
    spec = make_spec("folder", path=str(tmp_path), validation=4)
    parts = [everything(open_split(spec, split)) for split in SPLITS]
    assert [len(part) for part in parts] == [28, 4, 3]
    together = np.concatenate(parts)
    np.testing.assert_array_equal(together[np.argsort(together[:, 0, 0, 0])], pixels)


def test_other_names_of_splits_are_no_classes(
    make_spec: Any, make_images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Train", "Test"):
        write(tmp_path / name, make_images(3))
    with pytest.raises(RunError, match="found Test/, Train/ but no folder train") as caught:
        open_split(make_spec("folder", path=str(tmp_path)), "train")
    assert "name the folders train, test" in caught.value.help
    write(tmp_path / "archive" / "set" / "train", make_images(9))
    write(tmp_path / "archive" / "set" / "test", make_images(9))
    with pytest.raises(RunError, match="the folder set/ holds the splits test, train") as caught:
        open_split(make_spec("folder", path=str(tmp_path / "archive")), "train")
    assert caught.value.help == f"set data.path to {tmp_path / 'archive' / 'set'}; if they are classes, rename them"
    monkeypatch.setenv("HVAEDSL_DATA", str(tmp_path / "all"))
    write(tmp_path / "all" / "celeba", make_images(20))
    with pytest.raises(RunError, match="were not found"):
        open_split(make_spec("folder"), "train")


@pytest.mark.parametrize("names", SPLIT_FOLDERS)
@pytest.mark.parametrize("above", ["", "set", "set/more"])
def test_folders_with_words_of_different_splits_are_no_classes(
    make_spec: Any, make_images: Any, tmp_path: Path, names: tuple[str, ...], above: str
) -> None:
    for name in names:
        write(tmp_path / above / name / "cat", make_images(3))
    found = f"the folder {above}/ holds the splits {', '.join(names)}" if above else f"found {names[0]}/, {names[1]}/"
    with pytest.raises(RunError, match=re.escape(found)) as caught:
        open_split(make_spec("folder", path=str(tmp_path)), "train")
    assert caught.value.help.endswith("if they are classes, rename them")


def test_splits_inside_classes_are_moved_and_not_named(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    for name in ("cat/train", "cat/test", "dog/train", "dog/test"):
        write(tmp_path / name, make_images(3))
    with pytest.raises(RunError, match="the folders cat/, dog/ hold the splits test, train") as caught:
        open_split(make_spec("folder", path=str(tmp_path)), "train")
    assert caught.value.help.startswith("move the images of each split into one folder")


@pytest.mark.parametrize(
    "names", [("test_tube", "cup"), ("trainA", "trainB"), ("trainer", "tester", "valley"), ("bullet_train", "device")]
)
def test_classes_may_have_words_of_one_split(
    make_spec: Any, make_images: Any, tmp_path: Path, names: tuple[str, ...]
) -> None:
    for name in names:
        write(tmp_path / name / "more", make_images(10))
    assert len(open_split(make_spec("folder", path=str(tmp_path), validation=0), "train")) == len(names) * 9


def test_a_class_called_train_is_to_be_renamed(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    for name in ("0", "1", "train"):
        write(tmp_path / name, make_images(3))
    with pytest.raises(RunError, match="no folder test beside train") as caught:
        open_split(make_spec("folder", path=str(tmp_path)), "train")
    assert "if train is a class, rename it" in caught.value.help


@pytest.mark.parametrize("names", [("cat", "dog"), ("photos",)])
def test_classes_in_the_folder_of_all_datasets_need_data_path(
    make_spec: Any, make_images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    monkeypatch.setenv("HVAEDSL_DATA", str(tmp_path / "all"))
    with pytest.raises(RunError, match="expected folders train and test or one folder of image files") as caught:
        open_split(make_spec("folder"), "train")
    assert "each class" not in str(caught.value)
    for name in names:
        write(tmp_path / "all" / name, make_images(20))
    with pytest.raises(RunError, match="has folders of image files") as caught:
        open_split(make_spec("folder"), "train")
    assert f"({', '.join(f'{name}/' for name in names)}), which are read as classes only if data.path" in str(
        caught.value
    )
    assert caught.value.help.startswith(f"set data.path to {tmp_path / 'all'} if they are classes")
    open_split(make_spec("folder", path=str(tmp_path / "all")), "train")


@pytest.mark.parametrize(
    ("part", "inner", "refused"),
    [
        ("train", "test", "test/"),
        ("train", "faces/Val", "faces/Val/"),
        ("test", "train/cat", "train/"),
        ("validation", "test", "test/"),
        ("train", "train", ""),
        ("test", "testing/cat", ""),
        ("validation", "val", ""),
        ("train", "test_tube", ""),
    ],
)
def test_a_split_inside_another_is_not_mixed_into_it(
    make_spec: Any, make_images: Any, tmp_path: Path, part: str, inner: str, refused: str
) -> None:
    for name in ("train", "validation", "test"):
        write(tmp_path / name, make_images(3))
    write(tmp_path / part / inner, make_images(2))
    spec = make_spec("folder", path=str(tmp_path), validation=0)
    if not refused:
        assert [len(open_split(spec, split)) for split in SPLITS] == [3 + 2 * (part == split) for split in SPLITS]
        return
    with pytest.raises(RunError, match=f"split {part} holds {refused}") as caught:
        open_split(spec, "train")
    assert caught.value.help == f"move {refused} out of {part}/, or rename it if it is a class"
