from __future__ import annotations

import errno
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hvaedsl.diagnostics.errors import DataNotFound, RunError, UnusableImages
from hvaedsl_runtime.data import Split, open_split, places, remarks
from tests.runtime.data.image_folders import everything, write

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def test_folders_of_images_are_read_in_depth_and_in_order(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    train, test = make_images(12, channels=3), make_images(4, channels=3, seed=1)
    write(tmp_path / "train" / "cats", train[:6])
    write(tmp_path / "train" / "dogs", train[6:])
    write(tmp_path / "test", test, "BMP")
    (tmp_path / "test" / "notes.txt").write_text("no image")
    spec = make_spec("folder", path=str(tmp_path), channels=3, validation=0)
    np.testing.assert_array_equal(everything(open_split(spec, "train")), train)
    np.testing.assert_array_equal(everything(open_split(spec, "test")), test)
    held_out = make_spec("folder", path=str(tmp_path), channels=3, validation=3)
    parts = np.concatenate([everything(open_split(held_out, split)) for split in ("train", "validation")])
    np.testing.assert_array_equal(parts[np.argsort(parts[:, 0, 0, 0])], train)


def test_a_validation_folder_leaves_the_training_folder_whole(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    for count, split in enumerate(SPLITS, start=3):
        write(tmp_path / split, make_images(count))
    spec = make_spec("folder", path=str(tmp_path))
    assert [len(open_split(spec, split)) for split in SPLITS] == [3, 4, 5]


def test_a_flat_folder_is_divided_in_three(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    pixels = make_images(35)
    write(tmp_path, pixels)
    spec = make_spec("folder", path=str(tmp_path), validation=4)
    parts = [everything(open_split(spec, split)) for split in SPLITS]
    assert [len(part) for part in parts] == [28, 4, 3]
    together = np.concatenate(parts)
    np.testing.assert_array_equal(together[np.argsort(together[:, 0, 0, 0])], pixels)


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "webp", "bmp"])
def test_every_kind_of_file_is_read(make_spec: Any, tmp_path: Path, suffix: str) -> None:
    write(tmp_path, np.full((3, 8, 8, 3), 128, dtype=np.uint8), suffix)
    batch = everything(open_split(make_spec("folder", path=str(tmp_path), channels=3, validation=1), "train"))
    assert batch.shape == (2, 8, 8, 3)
    assert np.abs(batch.astype(int) - 128).max() <= 2


def test_other_sizes_are_cropped_at_the_center_and_resized(make_spec: Any, tmp_path: Path) -> None:
    wide = np.full((16, 48, 1), 200, dtype=np.uint8)
    wide[:, 16:32] = 40
    wide[8:, 16:32] = 80
    write(tmp_path, np.stack([wide, wide]))
    batch = everything(open_split(make_spec("folder", path=str(tmp_path), validation=1), "train"))
    assert batch.shape == (1, 8, 8, 1)
    assert (batch[0, :3] == 40).all()
    assert (batch[0, 5:] == 80).all()


def test_colors_are_not_lost_and_gray_becomes_colors(make_spec: Any, tmp_path: Path) -> None:
    write(tmp_path / "color", np.broadcast_to(np.array([255, 0, 0], dtype=np.uint8), (2, 8, 8, 3)))
    with pytest.raises(RunError, match=r"\.png: the image is in color, and 1 channel was asked for") as caught:
        everything(open_split(make_spec("folder", path=str(tmp_path / "color"), validation=1), "train"))
    assert "--gray" in caught.value.help
    write(tmp_path / "gray", np.full((2, 8, 8, 1), 90, dtype=np.uint8))
    spec = make_spec("folder", path=str(tmp_path / "gray"), channels=3, validation=1)
    assert np.unique(everything(open_split(spec, "train"))).tolist() == [90]


def test_a_photograph_is_turned_upright(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # orientation: upside down
    pixels = make_images(1)[0]
    for index in range(2):
        Image.fromarray(pixels.squeeze()).save(tmp_path / f"{index}.png", exif=exif)
    batch = everything(open_split(make_spec("folder", path=str(tmp_path), validation=1), "train"))
    np.testing.assert_array_equal(batch[0], pixels[::-1, ::-1])


def test_a_bad_file_is_named(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    write(tmp_path, make_images(4))
    bad = tmp_path / "002.png"
    bad.write_bytes(bad.read_bytes()[:60])
    images = open_split(make_spec("folder", path=str(tmp_path), validation=0), "train")
    with pytest.raises(RunError, match=r"002\.png: the image cannot be read") as caught:
        everything(images)
    assert caught.value.exit_code == 4


def test_one_with_damaged_exif_is_taken_and_counted(make_spec: Any, tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "one.png", exif=b"Exif\0\0II*\0\x08")  # the header ends in its offset
    images = open_split(make_spec("folder", path=str(tmp_path), validation=0), "train")
    assert len(everything(images)) == 1
    assert remarks(images) == ("1 training image: 1 with damaged EXIF data, whose orientation may be lost",)


def test_more_than_eight_bits_are_refused(make_spec: Any, tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16)).save(tmp_path / "deep.png")
    images = open_split(make_spec("folder", path=str(tmp_path), validation=0), "train")
    with pytest.raises(RunError, match=r"deep\.png: the image has 16 bits per channel; it must have 8"):
        images.batch([0])


def test_levels_are_held_against_the_spec(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    write(tmp_path, make_images(5, levels=4))
    images = open_split(make_spec("folder", path=str(tmp_path), validation=0, levels=4), "train")
    assert everything(images).max() == 3
    images = open_split(make_spec("folder", path=str(tmp_path), validation=0, levels=3), "train")
    with pytest.raises(RunError, match=r"png: the highest value is 3; values must be 0 to 2"):
        everything(images)


def test_missing_images_are_told(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    spec = make_spec("folder", path=str(tmp_path))
    with pytest.raises(RunError, match="folders train and test, one folder of image files"):
        open_split(spec, "train")
    write(tmp_path / "train", make_images(3))
    with pytest.raises(RunError, match="found no folder test beside train; the folders are train/"):
        open_split(spec, "train")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "a.gif").touch()
    with pytest.raises(
        RunError, match=r"test: found no image file; not taken: 1 \.gif \(image formats that are not read"
    ):
        open_split(spec, "train")
    with pytest.raises(RunError, match=r"000\.png, a file; the dataset folder needs a folder of image files"):
        open_split(make_spec("folder", path=str(tmp_path / "train" / "000.png")), "train")


def test_a_limit_on_open_files_is_named(
    make_spec: Any, make_images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, make_images(10))
    spec = make_spec("folder", path=str(tmp_path), validation=0)
    images = open_split(spec, "train")
    refusal = OSError(errno.EMFILE, "Too many open files")

    def refused(*_: object) -> None:
        raise refusal

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refused)
        with pytest.raises(UnusableImages, match="it cannot be opened: too many open files") as caught:
            everything(images)
    assert "ulimit -n" in caught.value.help
    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(RunError, match="cannot be read: too many open files") as listed:
        open_split(spec, "train")
    assert "ulimit -n" in listed.value.help


def test_no_place_at_all_is_told(make_spec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HVAEDSL_DATA", raising=False)
    monkeypatch.setattr(places, "user_cache", lambda: None)
    with pytest.raises(RunError, match="there is no cache folder"):
        open_split(make_spec("folder"), "train")


def test_what_is_not_taken_is_said(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    for name in ("train", "test", "raw"):
        write(tmp_path / name, make_images(3))
    for name in ("a.gif", "b.PPM", "c.ppm", "labels.json", "LICENSE", ".DS_Store", "._000.png", "Thumbs.db"):
        (tmp_path / "train" / name).touch()
    (tmp_path / "train" / "__MACOSX").mkdir()
    (tmp_path / "train" / "__MACOSX" / "d.png").touch()
    images = open_split(make_spec("folder", path=str(tmp_path), validation=0), "train")
    assert len(images) == 3
    assert remarks(images) == (
        "files that are not taken (5): 2 .ppm, 1 .gif (image formats that are not read; convert them to PNG); "
        "1 without a suffix, 1 .json (not images)",
        "folders beside train are not searched: raw/",
    )
    write(tmp_path, make_images(12))
    (tmp_path / "train").rename(tmp_path / "more")
    images = open_split(make_spec("folder", path=str(tmp_path), validation=0), "train")
    assert remarks(images) == ("folders beside the image files are not searched: more/, raw/, test/",)
    (tmp_path / "more").rename(tmp_path / "train")
    images = open_split(make_spec("folder", path=str(tmp_path), validation=0), "train")
    assert remarks(images)[1] == "12 image files beside train are not taken: 000.png, 001.png, 002.png and 9 more"


@pytest.mark.parametrize("inside", ["", "cats", "train"])
@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "BMP"])
def test_images_without_a_suffix_are_called_images_and_the_help_makes_them_taken(
    make_spec: Any, make_images: Any, tmp_path: Path, format_name: str, inside: str
) -> None:
    root = tmp_path / "it's mine"
    for folder in (inside, "test") if inside == "train" else (inside,):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index, image in enumerate(make_images(12)):
            Image.fromarray(image[..., 0]).save(root / folder / f"d41d8cd98f{index:02}", format_name)
    (root / inside / "labels").write_text("BMP or PNG")
    os.mkfifo(root / inside / "pipe")
    spec = make_spec("folder", path=str(root), validation=0)
    with pytest.raises(DataNotFound) as caught:
        open_split(spec, "train")
    assert "12 without a suffix (images; rename them to end in .png or .jpg); 2 without a suffix (not images)" in str(
        caught.value
    )
    command = re.search(r"rename the images, for example with `(find .*?)`", caught.value.help)
    assert command is not None
    (root / inside / "labels").unlink()
    subprocess.run(command[1], shell=True, check=True)
    if inside == "train":
        subprocess.run(command[1].replace("train", "test"), shell=True, check=True)
    assert len(open_split(spec, "train")) == (12 if inside == "train" else 11)


def test_images_without_a_suffix_beside_others_are_counted(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    write(tmp_path, make_images(12))
    (tmp_path / "000.png").rename(tmp_path / "000")
    (tmp_path / "a.jfif").touch()
    images = open_split(make_spec("folder", path=str(tmp_path), validation=0), "train")
    assert remarks(images) == (
        "files that are not taken (2): 1 .jfif (JPEG files; rename them to end in .jpg); "
        "1 without a suffix (images; rename them to end in .png or .jpg)",
    )


def test_all_bad_files_of_a_pass_are_named(
    make_spec: Any, make_images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, make_images(60))
    for index in range(0, 50, 2):
        (tmp_path / f"{index:03}.png").write_bytes(b"")
    (tmp_path / "001.png").unlink()
    Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16)).save(tmp_path / "001.png")
    images = replace(open_split(make_spec("folder", path=str(tmp_path), validation=0), "train"), members=np.arange(60))
    monkeypatch.setattr("hvaedsl_runtime.data.images.VALUES_PER_CHUNK", 64 * 7)
    with pytest.raises(UnusableImages, match=r"^26 image files cannot be used:") as caught:
        images.counted_levels()
    _, *named, more = str(caught.value).splitlines()
    assert (len(named), more) == (20, "  ... and 6 more")
    assert named[0].endswith("000.png: the image cannot be read: it is empty")
    with pytest.raises(UnusableImages, match=r"^2 image files cannot be used:"):
        images.batch([2, 0, 2, 3, 2])  # an image may be in a batch several times
    assert caught.value.help == (
        "25 of them: replace or remove damaged files;\n"
        "    1 of them: convert the files to 8 bits per channel, for example with ImageMagick: `magick IN -depth 8 OUT`"
        ", or ask for 65,536 levels: data.levels in a spec, --levels of `hvaedsl data prepare`"
    )


def test_changes_are_said_after_a_pass_and_counted_once(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    write(tmp_path, make_images(6, channels=3))
    Image.new("L", (16, 12)).save(tmp_path / "000.png")
    Image.new("RGB", (16, 16)).save(tmp_path / "001.png")
    images = open_split(make_spec("folder", path=str(tmp_path), channels=3, validation=0), "train")
    images.batch([0, 1])
    assert remarks(images) == ()
    for _ in range(2):
        images.counted_levels()
        assert remarks(images) == (
            "6 training images: 1 cropped to the center, 2 resized, 1 converted from gray to color",
        )


def test_a_set_too_small_for_a_test_set_says_so(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    write(tmp_path, make_images(7))
    with pytest.raises(RunError, match=r"no test images: a tenth of all .* is for testing, and there are 7") as e:
        open_split(make_spec("folder", path=str(tmp_path), validation=0), "test")
    assert "at least 10" in e.value.help
