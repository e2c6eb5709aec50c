"""Each reader on files in the format that is published; what it takes, in which order, and what it refuses."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hvaedsl.diagnostics.errors import RunError
from hvaedsl_runtime.data.fitting import count_changes
from hvaedsl_runtime.data.images import Pixels, images_at_a_time
from hvaedsl_runtime.data.prepare import data_to_prepare
from hvaedsl_runtime.data.published import READERS, Part, Source


def read(dataset: str, root: Path) -> Source:
    return READERS[dataset](data_to_prepare(dataset, None, None), root)


def pixels(part: Part) -> Pixels:
    images = np.concatenate(list(part.batches()))
    assert len(images) == part.count
    return images


def fails(dataset: str, root: Path, message: str) -> RunError:
    with pytest.raises(RunError, match=message) as caught:
        _ = [list(part.batches()) for part in read(dataset, root).parts.values()]
    assert caught.value.exit_code == 4
    return caught.value


@pytest.mark.parametrize(("dataset", "size"), [("imagenet32", 32), ("imagenet64", 64)])
def test_npz_batches_are_joined_by_number(tmp_path: Path, rgb: Any, write_npz: Any, dataset: str, size: int) -> None:
    train, test = rgb(9, size), rgb(3, size, seed=1)
    folders = ("Imagenet64_train_part1_npz", "Imagenet64_train_part2_npz")
    for number, folder, images in ((2, 0, train[:4]), (9, 1, train[4:5]), (10, 1, train[5:])):
        write_npz(tmp_path / folders[folder] / f"train_data_batch_{number}.npz", images)
    write_npz(tmp_path / "Imagenet64_val_npz" / "val_data.npz", test)
    source = read(dataset, tmp_path)
    np.testing.assert_array_equal(pixels(source.parts["train"]), train)
    np.testing.assert_array_equal(pixels(source.parts["test"]), test)
    assert [origin.path.name for origin in source.origins][:3] == [f"train_data_batch_{n}.npz" for n in (2, 9, 10)]


def test_an_npz_batch_is_read_in_pieces(
    tmp_path: Path, rgb: Any, write_npz: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hvaedsl_runtime.data.images.VALUES_PER_CHUNK", 2 * 3072)
    assert images_at_a_time(data_to_prepare("imagenet32", None, None).shape) == 2
    train = rgb(5, 32)
    write_npz(tmp_path / "train_data_batch_1.npz", train)
    write_npz(tmp_path / "val_data.npz", train)
    batches = list(read("imagenet32", tmp_path).parts["train"].batches())
    assert [len(batch) for batch in batches] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(batches), train)


def test_npz_mistakes_are_told(tmp_path: Path, rgb: Any, write_npz: Any) -> None:
    fails("imagenet32", tmp_path, r"found no train_data_batch_1\.npz")
    (tmp_path / "Imagenet32_train_npz.zip").touch()
    assert "unpack Imagenet32_train_npz.zip" in fails("imagenet32", tmp_path, "found no train").help
    (tmp_path / "Imagenet32_train_npz.zip").unlink()
    (tmp_path / "train_data_batch_1").write_bytes(pickle.dumps({"data": 1}))
    assert "pickle" in fails("imagenet32", tmp_path, "found no train").help
    write_npz(tmp_path / "train_data_batch_1.npz", rgb(2, 32))
    fails("imagenet32", tmp_path, r"found no val_data\.npz")
    write_npz(tmp_path / "val_data.npz", rgb(2, 32))
    assert "64x64" in fails("imagenet64", tmp_path, r"`data` is uint8 \[2, 3072\]; it must be uint8 \[N, 12288\]").help
    write_npz(tmp_path / "again" / "train_data_batch_1.npz", rgb(2, 32))
    fails("imagenet32", tmp_path, "are the same batch")


@pytest.mark.parametrize("damage", ["cut", "flipped", "pickled", "other array"])
def test_a_damaged_npz_is_named_and_no_pickle_is_read(tmp_path: Path, rgb: Any, write_npz: Any, damage: str) -> None:
    for name in ("train_data_batch_1.npz", "val_data.npz"):
        write_npz(tmp_path / name, rgb(3, 32))
    path = tmp_path / "train_data_batch_1.npz"
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[5000] ^= 255
        path.write_bytes(content)
    elif damage == "pickled":
        np.savez(path, data=np.array([{"a": 1}], dtype=object))
    else:
        np.savez(path, labels=np.zeros(3))
    fails("imagenet32", tmp_path, r"train_data_batch_1\.npz: (not a readable npz batch|`data` is object)")


@pytest.mark.parametrize("unpacked", [False, True])
def test_oord_png_files_come_in_the_order_of_their_names(
    tmp_path: Path, rgb: Any, write_tar: Any, unpacked: bool
) -> None:
    train, test = rgb(70, 32), rgb(3, 32, seed=1)
    others = {"train_32x32/notes.txt": b"no image", "train_32x32/._0000001.png": b"a Mac's"}
    write_tar(tmp_path / "small" / "train_32x32.tar", train, {} if unpacked else others)
    write_tar(tmp_path / "small" / "valid_32x32.tar", test)
    if unpacked:
        import tarfile

        for name in ("train", "valid"):
            path = tmp_path / "small" / f"{name}_32x32.tar"
            with tarfile.open(path) as archive:
                archive.extractall(tmp_path, filter="data")
            path.unlink()
    source = read("imagenet32_oord", tmp_path)
    np.testing.assert_array_equal(pixels(source.parts["train"]), train)
    np.testing.assert_array_equal(pixels(source.parts["test"]), test)
    if not unpacked:
        assert source.warnings[0].startswith(
            "train_32x32.tar: skipped files that are not PNG (1): train_32x32/notes.txt"
        )


def test_the_published_codes_arrays_come_first_and_keep_their_order(tmp_path: Path, rgb: Any, write_tar: Any) -> None:
    train, test = rgb(5, 64), rgb(3, 64, seed=1)
    for name in ("train", "valid"):
        write_tar(tmp_path / f"{name}_64x64.tar", rgb(1, 64, seed=2))
    np.save(tmp_path / "imagenet64-train.npy", train)
    np.save(tmp_path / "imagenet64-valid.npy", test)
    source = read("imagenet64_oord", tmp_path)
    np.testing.assert_array_equal(pixels(source.parts["train"]), train)
    np.testing.assert_array_equal(pixels(source.parts["test"]), test)


def test_oord_mistakes_are_told(tmp_path: Path, rgb: Any, write_tar: Any) -> None:
    fails("imagenet32_oord", tmp_path, r"found no pair train_32x32\.tar and valid_32x32\.tar")
    write_tar(tmp_path / "train_32x32.tar", rgb(2, 32), {"train_32x32/0000000.png": b"\x89PNG, and then nothing"})
    write_tar(tmp_path / "valid_32x32.tar", rgb(2, 16))
    fails("imagenet32_oord", tmp_path, r"train_32x32\.tar: train_32x32/0000000\.png: the image cannot be read")
    write_tar(tmp_path / "train_32x32.tar", rgb(2, 32))
    fails("imagenet32_oord", tmp_path, "the image has 16x16 pixels; it must have 32x32")
    (tmp_path / "valid_32x32.tar").write_bytes(b"no tar")
    fails("imagenet32_oord", tmp_path, r"valid_32x32\.tar: not a readable, uncompressed tar")
    write_tar(tmp_path / "valid_32x32.tar", rgb(0, 32), {"valid_32x32/notes.txt": b"nothing"})
    fails("imagenet32_oord", tmp_path, r"valid_32x32\.tar: found no PNG file")
    content = (tmp_path / "train_32x32.tar").read_bytes()
    write_tar(tmp_path / "valid_32x32.tar", rgb(2, 32))
    (tmp_path / "train_32x32.tar").write_bytes(content[:2500])
    fails("imagenet32_oord", tmp_path, r"train_32x32\.tar")


@pytest.mark.parametrize("nested", [False, True])
def test_celeba_is_parted_cropped_and_resized(tmp_path: Path, write_celeba: Any, nested: bool) -> None:
    decoded = write_celeba(tmp_path, "0012021", nested=nested)
    square = [Image.fromarray(image[40:188, 15:163]) for image in decoded]
    expected = np.stack([np.asarray(image.resize((64, 64), Image.Resampling.BILINEAR)) for image in square])
    source = read("celeba", tmp_path)
    for part, members in (("train", [0, 1, 4]), ("validation", [2, 6]), ("test", [3, 5])):
        np.testing.assert_array_equal(pixels(source.parts[part]), expected[members])  # type: ignore[index]
    assert not source.warnings


def test_celeba_tells_what_is_missing(tmp_path: Path, write_celeba: Any) -> None:
    fails("celeba", tmp_path, r"found no list_eval_partition\.txt")
    write_celeba(tmp_path, "00122")
    folder = tmp_path / "celeba" / "img_align_celeba"
    fails("celeba", folder, r"found no list_eval_partition\.txt")
    (folder / "000001.jpg").rename(folder / "900001.jpg")
    assert read("celeba", tmp_path).warnings == (
        "1 of 5 images in list_eval_partition.txt are not in img_align_celeba/",
        "skipped 1 image that list_eval_partition.txt does not list",
    )
    (folder / "000002.jpg").write_bytes((folder / "000002.jpg").read_bytes()[:900])
    fails("celeba", tmp_path, r"000002\.jpg: the image cannot be read")
    Image.new("RGB", (200, 200)).save(folder / "000002.jpg")
    fails("celeba", tmp_path, r"000002\.jpg: the image has 200x200 pixels; it must have 178x218")
    (folder / "000002.jpg").unlink()
    fails("celeba", tmp_path, "found 0 training and 2 test images")
    (tmp_path / "celeba" / "list_eval_partition.txt").write_text("000001.jpg 7\n")
    fails("celeba", tmp_path, "every line must be a file name and 0, 1 or 2: found `000001.jpg 7`")
    for path in folder.iterdir():
        path.unlink()
    (tmp_path / "img_align_celeba.zip").touch()
    assert "img_align_celeba.zip first" in fails("celeba", tmp_path, "found no img_align_celeba/").help


def test_ffhq256_is_the_published_codes_array(tmp_path: Path, rgb: Any) -> None:
    images = rgb(3, 256)
    np.save(tmp_path / "ffhq-256.npy", images)
    source = read("ffhq256", tmp_path)
    assert list(source.parts) == ["all"]
    np.testing.assert_array_equal(pixels(source.parts["all"]), images)
    np.save(tmp_path / "ffhq-256.npy", images.transpose(0, 3, 1, 2))
    fails("ffhq256", tmp_path, r"the array has shape \[3, 3, 256, 256\]")


def test_or_the_releases_files_made_smaller(tmp_path: Path, rgb: Any, write_pngs: Any) -> None:
    images = rgb(2, 1024)
    write_pngs(tmp_path / "images1024x1024", images, "{1:05}/{0:05}.png", first=999)
    write_pngs(tmp_path / "thumbnails128x128", rgb(2, 128), "{1:05}/{0:05}.png", first=999)
    smaller = [np.asarray(Image.fromarray(image).resize((256, 256), Image.Resampling.BILINEAR)) for image in images]
    np.testing.assert_array_equal(pixels(read("ffhq256", tmp_path).parts["all"]), smaller)
    np.testing.assert_array_equal(pixels(read("ffhq1024", tmp_path).parts["all"]), images)


def test_ffhq1024_in_the_published_codes_folders(tmp_path: Path, rgb: Any, write_pngs: Any) -> None:
    images = rgb(3, 1024)
    write_pngs(tmp_path / "ffhq1024" / "train" / "0", images[:2], "{:05}.png")
    write_pngs(tmp_path / "ffhq1024" / "valid" / "0", images[2:], "{:05}.png", first=65_000)
    source = read("ffhq1024", tmp_path)
    np.testing.assert_array_equal(pixels(source.parts["train"]), images[:2])
    np.testing.assert_array_equal(pixels(source.parts["test"]), images[2:])


def test_ffhq_mistakes_are_told(tmp_path: Path, rgb: Any, write_pngs: Any) -> None:
    fails("ffhq256", tmp_path, r"found no ffhq-256\.npy and no PNG file")
    fails("ffhq1024", tmp_path, "found no PNG file")
    write_pngs(tmp_path / "a", rgb(1, 128), "{:05}.png")
    fails("ffhq256", tmp_path, r"00000\.png: the image has 128x128 pixels")
    write_pngs(tmp_path / "b", rgb(1, 128), "{:05}.png")
    fails("ffhq256", tmp_path, "have the same number")
    write_pngs(tmp_path / "c", rgb(1, 128), "face.png")
    fails("ffhq256", tmp_path / "c", "the name has no number")


def test_torchvisions_folders_are_found_from_inside_too(tmp_path: Path) -> None:
    (tmp_path / "a" / "MNIST" / "raw").mkdir(parents=True)
    error = fails("mnist", tmp_path / "a", r"found no MNIST/raw/ with train-images-idx3-ubyte")
    assert "--download" in error.help


def test_published_files_are_refused_together_and_their_changes_counted(
    tmp_path: Path, rgb: Any, write_pngs: Any
) -> None:
    write_pngs(tmp_path / "real", rgb(6, 256), "{:05}.png")
    (tmp_path / "images1024x1024").symlink_to(tmp_path / "real")
    exif = Image.Exif()
    exif[0x0112] = 6  # as published, it is not applied
    Image.new("L", (512, 512)).save(tmp_path / "real" / "00000.png", exif=exif)
    part = read("ffhq256", tmp_path).parts["all"]
    assert len(pixels(part)) == 6
    assert part.changes is not None
    counts = {change: files for change, files in count_changes(part.changes).items() if files}
    assert counts == {"files": 6, "resized": 1, "gray_to_color": 1, "orientation_ignored": 1}

    Image.new("RGBA", (256, 256)).save(tmp_path / "real" / "00001.png")
    Image.new("CMYK", (256, 256)).save(tmp_path / "real" / "00004.png", format="JPEG")
    with pytest.raises(RunError, match=r"(?s)^2 image files .*00001\.png: .*transparent.*00004\.png: .*CMYK") as caught:
        pixels(read("ffhq256", tmp_path).parts["all"])
    assert caught.value.help == "download the files again, then prepare again"
