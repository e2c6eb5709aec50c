from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hvaedsl.diagnostics.errors import RunError
from hvaedsl_runtime.data import Split, has_validation, open_split
from hvaedsl_runtime.data.file_array import FileArray, FortranArray
from hvaedsl_runtime.data.images import ArrayImages
from hvaedsl_runtime.data.npy import open_array
from tests.runtime.data.image_folders import everything

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
# The end of a way out for an array of floats.
REAL = "; for real values, set data.values to real"


def test_validation_is_held_out_of_the_training_file(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    train, test = make_images(20), make_images(6, seed=1)
    np.save(tmp_path / "train.npy", train)
    np.save(tmp_path / "test.npy", test)
    spec = make_spec("npy", path=str(tmp_path), validation=5)
    parts = {split: everything(open_split(spec, split)) for split in SPLITS}
    np.testing.assert_array_equal(parts["test"], test)
    assert len(parts["validation"]) == 5
    from_train = np.concatenate([parts["train"], parts["validation"]])
    np.testing.assert_array_equal(from_train[np.argsort(from_train[:, 0, 0, 0])], train)


def test_a_validation_file_leaves_the_training_file_whole(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    files = {split: make_images(4 + seed, seed=seed) for seed, split in enumerate(SPLITS)}
    for split, pixels in files.items():
        np.save(tmp_path / f"{split}.npy", pixels)
    for split in SPLITS:
        np.testing.assert_array_equal(everything(open_split(make_spec("npy", path=str(tmp_path)), split)), files[split])


def test_a_single_file_is_divided_in_three(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    pixels = make_images(47, channels=3)
    np.save(tmp_path / "all.npy", pixels)
    spec = make_spec("npy", path=str(tmp_path / "all.npy"), channels=3, validation=5, split_seed=3)
    parts = [everything(open_split(spec, split)) for split in SPLITS]
    assert [len(part) for part in parts] == [38, 5, 4]
    together = np.concatenate(parts)
    np.testing.assert_array_equal(together[np.argsort(together[:, 0, 0, 0])], pixels)


def test_the_file_is_read_by_index(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    found = make_images(30)
    np.save(tmp_path / "all.npy", found)
    images = open_split(make_spec("npy", path=str(tmp_path / "all.npy")), "train").images
    assert isinstance(images, ArrayImages)
    assert isinstance(images.pixels, FileArray)
    for indices in ([3, 4, 5], [29, 0, 7, 7, 8], []):
        np.testing.assert_array_equal(images.read(np.array(indices, dtype=np.int64)), found[indices])
    with pytest.raises(IndexError):
        images.read(np.array([30]))

    # What is not in the file any more is missed, in place of the signal that a mapped file would give.
    with (tmp_path / "all.npy").open("r+b") as file:
        file.truncate(128 + 20 * 64 + 1)
    np.testing.assert_array_equal(images.read(np.arange(20)), found[:20])
    with pytest.raises(RunError, match="it ends inside of item 20; it had 30 items"):
        images.read(np.arange(18, 25))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_an_array_in_the_order_of_fortran(make_spec: Any, make_images: Any, tmp_path: Path, dtype: str) -> None:
    found = np.asfortranarray(make_images(30).astype(dtype))
    np.save(tmp_path / "all.npy", found)
    spec = make_spec("npy", path=str(tmp_path / "all.npy"))
    train = open_split(spec, "train")
    images = train.images
    assert isinstance(images, ArrayImages)
    assert isinstance(images.pixels, FortranArray)  # not mapped
    for indices in (np.arange(30), np.array([7, 3, 3, 29, 0]), np.array([], dtype=np.int64)):
        np.testing.assert_array_equal(images.read(indices), found[indices])
    assert "all.npy is in Fortran's order" in train.notes[0]
    assert "numpy.ascontiguousarray(images)" in train.notes[0]
    assert not open_split(spec, "test").notes
    np.save(tmp_path / "all.npy", np.ascontiguousarray(found))
    assert not open_split(spec, "train").notes


def test_a_truncated_array_in_the_order_of_fortran(make_images: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "all.npy", np.asfortranarray(make_images(30, channels=3)))
    images = open_array(tmp_path / "all.npy")
    with (tmp_path / "all.npy").open("r+b") as file:
        file.truncate(128 + 30 * 64 + 1)
    with pytest.raises(RunError, match="it ends before position 64 of item 2; it had 30 items"):
        images[np.arange(2, 5)]


def test_a_mistake_names_the_file(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "train.npy", make_images(20).astype(np.float64))
    np.save(tmp_path / "test.npy", make_images(6))
    with pytest.raises(RunError, match="float64") as caught:
        open_split(make_spec("npy", path=str(tmp_path)), "train")
    assert str(tmp_path / "train.npy") in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_array_is_told(make_spec: Any, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "all.npy").write_bytes(content)
    with pytest.raises(RunError, match=r"not a readable \.npy file") as caught:
        open_split(make_spec("npy", path=str(tmp_path / "all.npy")), "train")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        pytest.param("\0\0{'descr'", "its header is damaged", id="no tokens"),
        pytest.param("{'descr': '|u1',\n  'shape': (\n 0: }", "its header is damaged", id="no Python"),
        pytest.param(
            "{'descr': '|u1', 'fortran_order': %s, 'shape': (4, 8, 8, -1)}", r"its header has the shape \[4, 8, 8, -1\]"
        ),
    ],
)
@pytest.mark.parametrize("fortran_order", [False, True])
def test_a_damaged_header_is_told(
    make_spec: Any, tmp_path: Path, header: str, reason: str, fortran_order: bool
) -> None:
    text = (header % fortran_order if "%" in header else header).ljust(117) + "\n"
    (tmp_path / "train.npy").write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + text.encode() + bytes(256))
    (tmp_path / "test.npy").touch()
    with pytest.raises(RunError, match=rf"train.npy: not a readable .npy file \({reason}\)") as caught:
        open_split(make_spec("npy", path=str(tmp_path)), "train")
    assert caught.value.help == "save the images with numpy.save"


def test_a_file_of_torch_is_told_with_its_conversion(
    make_spec: Any, make_images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, path = make_images(20), tmp_path / "all.npy"
    torch.save(torch.from_numpy(images), path)
    spec = make_spec("npy", path=str(path), validation=0)
    with pytest.raises(RunError, match=r"it is a file of torch\.save; images must be in \.npy files") as caught:
        open_split(spec, "train")
    line = re.search("`(.*)`", caught.value.help or "")
    assert line is not None
    monkeypatch.chdir(tmp_path)
    eval(line[1], {"numpy": np, "torch": torch})
    assert len(everything(open_split(spec, "train"))) == 18


@pytest.mark.parametrize(
    ("array", "way_out"),
    [
        (
            np.zeros(4, dtype=[("x", "u1", (8, 8, 1)), ("y", "u1")]),
            'the field with the pixels, for example `images["x"]`',
        ),
        (np.uint8(3), "save the images themselves, an array of the shape [N, 8, 8, 1]"),
        (np.full((4, 8, 8, 1), 65_535, dtype=">u2"), '`(images / 257).round().astype("uint8")`'),
    ],
)
def test_arrays_of_other_kinds_have_a_way_out(make_spec: Any, tmp_path: Path, array: Any, way_out: str) -> None:
    np.save(tmp_path / "all.npy", array)
    with pytest.raises(RunError, match=r"all\.npy: the array has ") as caught:
        open_split(make_spec("npy", path=str(tmp_path)), "train")
    assert way_out in (caught.value.help or "")


def test_a_file_that_is_cut_short_is_told(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "all.npy", make_images(30))
    whole = (tmp_path / "all.npy").read_bytes()
    (tmp_path / "all.npy").write_bytes(whole[:-100])
    with pytest.raises(
        RunError, match=r"not a readable \.npy file: it is truncated: it has 1,948 of 2,048 bytes"
    ) as caught:
        open_split(make_spec("npy", path=str(tmp_path / "all.npy")), "train")
    assert "again" in caught.value.help


def test_a_limit_on_open_files_is_named(
    make_spec: Any, make_images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "all.npy", make_images(30))

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("hvaedsl_runtime.data.file_array.os.open", refused)
    with pytest.raises(RunError, match=r"all\.npy: cannot be read: too many open files") as caught:
        open_split(make_spec("npy", path=str(tmp_path / "all.npy")), "train")
    assert "ulimit -n" in caught.value.help


def test_joined_files_are_refused(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    for name in ("p1", "p2"):
        np.save(tmp_path / f"{name}.npy", make_images(30))
    parts = [(tmp_path / f"{name}.npy").read_bytes() for name in ("p1", "p2")]
    spec = make_spec("npy", path=str(tmp_path / "all.npy"))
    (tmp_path / "all.npy").write_bytes(b"".join(parts))
    with pytest.raises(RunError, match=r"after its array of shape \[30, 8, 8, 1\], another array follows") as caught:
        open_split(spec, "train")
    assert "numpy.concatenate" in caught.value.help
    assert caught.value.exit_code == 4
    (tmp_path / "all.npy").write_bytes(parts[0] + b"\n")
    with pytest.raises(RunError, match="something else follows"):
        open_split(spec, "train")


def test_objects_are_not_unpickled(make_spec: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "all.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(RunError, match=r"all\.npy: the array has type object; it must be uint8") as caught:
        open_split(make_spec("npy", path=str(tmp_path / "all.npy")), "train")
    assert "numpy.stack" in caught.value.help


@pytest.mark.parametrize("name", ["all.npy", "faces.npy"])
def test_the_only_file_of_a_folder_is_divided(make_spec: Any, make_images: Any, tmp_path: Path, name: str) -> None:
    np.save(tmp_path / name, make_images(40))
    (tmp_path / f"._{name}").touch()
    spec = make_spec("npy", path=str(tmp_path), validation=5)
    assert [len(open_split(spec, split)) for split in SPLITS] == [31, 5, 4]
    assert not has_validation(make_spec("npy", path=str(tmp_path), validation=0))
    np.save(tmp_path / "labels.npy", np.arange(40))
    with pytest.raises(RunError, match=rf"found {name}, labels\.npy, but no train\.npy") as caught:
        open_split(spec, "train")
    assert "data.path" in caught.value.help


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_every_name_of_the_validation_file_is_read(make_spec: Any, make_images: Any, tmp_path: Path, name: str) -> None:
    for count, split in enumerate(("train", name, "test"), start=3):
        np.save(tmp_path / f"{split}.npy", make_images(count))
    spec = make_spec("npy", path=str(tmp_path), validation=0)
    assert has_validation(spec)
    assert [len(open_split(spec, split)) for split in SPLITS] == [3, 4, 5]
    (tmp_path / "test.npy").unlink()
    with pytest.raises(RunError, match=rf"no test\.npy; the other arrays are {name}\.npy"):
        open_split(spec, "train")
    np.save(tmp_path / ("val.npy" if name != "val" else "valid.npy"), make_images(3))
    with pytest.raises(RunError, match="only one of them can hold the validation images"):
        has_validation(spec)


def test_an_npz_file_is_explained(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "faces.npz", images=make_images(3))
    for path in (tmp_path, tmp_path / "faces.npz"):
        with pytest.raises(RunError, match=r"faces\.npz: an \.npz file of the arrays images") as caught:
            open_split(make_spec("npy", path=str(path)), "train")
        assert 'numpy.save("faces.npy", numpy.load("faces.npz")["images"])' in caught.value.help


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW", "rows", "NHW"])
@pytest.mark.parametrize(
    "kind", ["uint8", "float64 to 1", "float32 from -1", "float32 to 255", "int64", "uint16", "wide"]
)
def test_the_conversion_line_converts(
    make_spec: Any, make_images: Any, tmp_path: Path, channels: int, layout: str, kind: str
) -> None:
    """The way out is run as it is printed, and gives the images."""
    right = make_images(20, channels=channels)
    images = {
        "NHWC": right,
        "NCHW": right.transpose(0, 3, 1, 2),
        "rows": right.reshape(20, -1),
        "NHW": right[..., 0],
    }[layout]
    images = {
        "uint8": images,
        "float64 to 1": images / 255,
        "float32 from -1": (images / 127.5 - 1).astype(np.float32),
        "float32 to 255": images.astype(np.float32),
        "int64": images.astype(np.int64),
        "uint16": images.astype(np.uint16),
        "wide": images.astype(np.uint16) * 257,
    }[kind]
    if (layout, kind) == ("NHWC", "uint8") or (layout == "NHW" and channels == 3):
        return
    np.save(tmp_path / "all.npy", images)
    spec = make_spec("npy", path=str(tmp_path), channels=channels)
    if (layout, kind) == ("NHWC", "uint16"):  # levels of 8 bits in 16 are taken as they are
        found = open_split(spec, "train")
        np.testing.assert_array_equal(everything(found), right[found.members])
        return

    is_scaled = (layout, kind) == ("NHWC", "wide")  # nothing but the range of its values is wrong
    told = "highest value is 65535; values must be 0 to 255" if is_scaled else "array has"
    with pytest.raises(RunError, match=rf"all\.npy: the {told}") as caught:
        open_split(spec, "train")
    way_out = "correct data.levels, or scale images of 16 bits, `(.+)` with numpy"
    save = rf"with `images` the array, save `(.+)` with numpy\.save{REAL if images.dtype.kind == 'f' else ''}"
    line = re.fullmatch(way_out if is_scaled else save, caught.value.help)
    assert line is not None
    converted = eval(line[1], {"images": images})
    assert converted.dtype == np.uint8
    np.testing.assert_array_equal(converted, right)


@pytest.mark.parametrize("kind", ["uint8", "float64 to 1"])
@pytest.mark.parametrize("layout", ["NHW", "NHWC", "NCHW"])
def test_gray_images_of_a_spec_with_colors_are_told_as_gray(
    make_spec: Any, make_images: Any, tmp_path: Path, layout: str, kind: str
) -> None:
    """The line is run as it is printed, and gives images whose colors are equal."""
    gray = make_images(20)
    images = {"NHW": gray[..., 0], "NHWC": gray, "NCHW": gray.transpose(0, 3, 1, 2)}[layout]
    images = images / 255 if kind == "float64 to 1" else images
    np.save(tmp_path / "all.npy", images)
    with pytest.raises(RunError, match=r"it must be uint8 \[N, 8, 8, 3\]") as caught:
        open_split(make_spec("npy", path=str(tmp_path), channels=3), "train")
    set_channels, save = r"set data\.channels to 1", r"with `images` the array, save `(.+)` with numpy\.save"
    real = REAL if images.dtype.kind == "f" else ""
    line = re.fullmatch(f"the images have one channel: {set_channels}, or {save}{real}", caught.value.help)
    assert line is not None
    converted = eval(line[1], {"images": images})
    assert converted.dtype == np.uint8
    np.testing.assert_array_equal(converted, np.concatenate([gray] * 3, axis=-1))


@pytest.mark.parametrize("values", [[np.nan], [-5.0, 300.0], [0.5, 7.0], [1j]])
def test_values_of_no_usual_range_get_no_line(make_spec: Any, tmp_path: Path, values: list[complex]) -> None:
    np.save(tmp_path / "all.npy", np.resize(np.array(values), (4, 8, 8, 1)))
    with pytest.raises(RunError, match=r"it must be uint8 \[N, 8, 8, 1\]") as caught:
        open_split(make_spec("npy", path=str(tmp_path)), "train")
    real = REAL if not isinstance(values[0], complex) else ""
    assert caught.value.help == f"save the images as uint8, with levels from 0 to 255{real}"


def test_a_folder_needs_both_files(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    spec = make_spec("npy", path=str(tmp_path))
    with pytest.raises(RunError, match=r"expected train\.npy and test\.npy"):
        open_split(spec, "train")
    np.save(tmp_path / "train.npy", make_images(20))
    with pytest.raises(RunError, match=r"found train\.npy but no test\.npy"):
        open_split(spec, "train")
