from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hvaedsl.diagnostics.errors import RunError
from hvaedsl_runtime.data import ImageSet, Split, open_split
from hvaedsl_runtime.data.images import Pixels

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def everything(images: ImageSet) -> Pixels:
    return images.batch(np.arange(len(images)))


def write(folder: Path, pixels: Pixels, suffix: str = "png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(pixels):
        Image.fromarray(image.squeeze()).save(folder / f"{index:03}.{suffix}")


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


def test_colors_become_gray_and_gray_becomes_colors(make_spec: Any, tmp_path: Path) -> None:
    write(tmp_path / "color", np.broadcast_to(np.array([255, 0, 0], dtype=np.uint8), (2, 8, 8, 3)))
    gray = everything(open_split(make_spec("folder", path=str(tmp_path / "color"), validation=1), "train"))
    assert np.unique(gray).tolist() == [76]  # ITU-R 601: 0.299 * 255
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


def test_so_is_one_with_spoilt_exif(make_spec: Any, tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "one.png", exif=b"Exif\0\0II*\0\x08")  # the header ends in its offset
    images = open_split(make_spec("folder", path=str(tmp_path), validation=0), "train")
    with pytest.raises(RunError, match=r"one\.png: the image cannot be read") as caught:
        everything(images)
    assert caught.value.exit_code == 4


def test_more_than_eight_bits_are_refused(make_spec: Any, tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16)).save(tmp_path / "deep.png")
    images = open_split(make_spec("folder", path=str(tmp_path), validation=0), "train")
    with pytest.raises(RunError, match=r"deep\.png: the image has more than 8 bits"):
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
    with pytest.raises(RunError, match="folders train and test, or one folder of image files"):
        open_split(spec, "train")
    write(tmp_path / "train", make_images(3))
    with pytest.raises(RunError, match="test: found no image file"):
        open_split(spec, "train")
