"""Image files whose channels are taken as stored: two and four of them, and real values in TIFF files of floats."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hvaedsl.diagnostics.errors import InvalidData, RunError, UnusableImages
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data import open_split, remarks
from hvaedsl_runtime.data.fitting import Change, Fitting, fitting_from
from hvaedsl_runtime.data.given_images import given_images
from hvaedsl_runtime.data.image_file import decode, fit_to
from hvaedsl_runtime.data.prepare import data_to_prepare, prepare
from hvaedsl_runtime.data.prepared import PreparedSet
from hvaedsl_runtime.data.problems import Unusable
from tests.runtime.data.image_folders import everything
from tests.runtime.data.photographs import png_of
from tests.runtime.data.test_prepare import no_bar
from tests.runtime.data.test_tiff_file import tiff

SIZE = HEIGHT, WIDTH = 12, 18
CONTIG: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "contig"}
REAL, DEEP = 0, 65_536
AS_FLOATS = 'tifffile.imwrite(OUT, tifffile.imread(IN).astype("float32"))'


def drawn(channels: int, dtype: Any = np.float32, seed: int = 0) -> np.ndarray[Any, Any]:
    """Values [12, 18, channels]: every one of an integer type, or floats in a unit of their own for each channel."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "u":
        return rng.integers(0, np.iinfo(dtype).max, (*SIZE, channels), dtype=dtype, endpoint=True)
    return (rng.normal(size=(*SIZE, channels)) * 10.0 ** np.arange(channels)).astype(dtype)


def read(content: bytes, channels: int, levels: int, size: tuple[int, int] = SIZE) -> Any:
    pixels, changes = decode(io.BytesIO(content), channels, Fitting(), fit_to(*size, Fitting()), levels=levels)
    assert pixels.shape == (*size, channels)
    return pixels, changes & ~Change.DECODED


def refused(content: bytes, channels: int, levels: int) -> Unusable:
    with pytest.raises(Unusable) as caught:
        read(content, channels, levels)
    return caught.value


def png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


# --- what is read


@pytest.mark.parametrize("dtype", ["u1", "u2", "f2", "f4", "f8"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "options", [{}, {"byteorder": ">"}, {"compression": "zlib"}, {"tile": (16, 16)}, {"bigtiff": True}], ids=str
)
def test_tiff_values_are_those_of_the_file(dtype: str, channels: int, options: dict[str, Any]) -> None:
    stored = drawn(channels, dtype)
    options |= CONTIG if channels > 1 else {}
    levels = {"u1": 256, "u2": DEEP}.get(dtype, REAL)
    found, changes = read(tiff(stored, **options), channels, levels)
    expected = stored.astype(np.float32) if levels == REAL else stored
    np.testing.assert_array_equal(found, expected)
    assert (found.dtype, changes) == (expected.dtype, 0)


@pytest.mark.parametrize(("dtype", "levels"), [("u1", 256), ("u2", DEEP), ("f4", REAL)])
def test_other_layouts_of_four_channels(dtype: str, levels: int) -> None:
    stored = drawn(4, dtype)
    planes = np.moveaxis(stored, -1, 0)
    layouts = [tiff(planes, photometric="minisblack", planarconfig="separate")]
    # Nothing is known of the fourth channel, or it is alpha.
    layouts += [tiff(stored, photometric="rgb", extrasamples=[extra]) for extra in ("unspecified", "unassalpha")]
    layouts.append(tiff(stored, photometric="rgb", extrasamples=["assocalpha"]))
    for content in layouts:
        np.testing.assert_array_equal(read(content, 4, levels)[0], stored)


def test_alpha_of_other_formats_is_a_channel() -> None:
    four = drawn(4, "u1")
    for channels in (2, 4):
        np.testing.assert_array_equal(read(png(four[..., :channels]), channels, 256)[0], four[..., :channels])


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_of_png_files_of_16_bits_is_a_channel(channels: int) -> None:
    stored = drawn(channels, "u2")
    np.testing.assert_array_equal(read(png_of(stored), channels, DEEP)[0], stored)
    # A color that is transparent is none.
    color = stored[..., : channels - 1]
    keyed = png_of(color, key=tuple(color[0, 0].tolist()))
    assert f"it must have {channels} channels" in str(refused(keyed, channels, DEEP))


@pytest.mark.parametrize(("dtype", "levels"), [("u1", 256), ("u2", DEEP), ("f4", REAL)])
@pytest.mark.parametrize("channels", [2, 4])
def test_each_channel_is_fitted_and_turned_by_itself(channels: int, dtype: str, levels: int) -> None:
    stored, size = drawn(channels, dtype), (6, 6)
    turned = [(274, "H", 1, 6, True)]  # a quarter turn
    found, changes = read(tiff(stored, **CONTIG, extratags=turned), channels, levels, size)
    assert changes == Change.ROTATED | Change.CROPPED | Change.RESIZED
    window = np.rot90(stored, -1)[3:15]
    for channel in range(channels):
        kind = np.uint8 if dtype == "u1" else np.float32
        plane = Image.fromarray(np.ascontiguousarray(window[..., channel], dtype=kind))
        expected = np.asarray(plane.resize(size, Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(found[..., channel], expected if dtype != "u2" else np.rint(expected))
        assert stored[..., channel].min() <= found[..., channel].min()
        assert found[..., channel].max() <= stored[..., channel].max()


# --- what is refused: a reason, a way out, and one for a run whose spec stays


@pytest.mark.parametrize(
    ("content", "channels", "levels", "reason", "way_out"),
    [
        (tiff(drawn(4, "u1"), **CONTIG), 2, 256, "the image has 4 channels; it must have 2", "ask for 4 channels"),
        (tiff(drawn(2, "u1"), **CONTIG), 4, 256, "the image has 2 channels; it must have 4", "ask for 2 channels"),
        (tiff(drawn(3, "u1"), photometric="rgb"), 4, 256, "has 3 channels; it must have 4", "ask for 3 channels"),
        (
            tiff(drawn(1)),
            3,
            REAL,
            "the image has 1 channel; it must have 3 channels",
            "ask for 1 channel: data.channels",
        ),
        (tiff(drawn(4), photometric="rgb"), 3, REAL, "has 4 channels; it must have 3", "ask for 4 channels"),
        (tiff(drawn(4, "u1"), **CONTIG), 3, 256, "has 4 channels; gray and RGB, with or without", "ask for 4 channels"),
        (tiff(drawn(2, "u1"), **CONTIG), 1, 256, "has 2 channels; gray and RGB, with or without", "ask for 2 channels"),
        (png(drawn(3, "u1")), 4, 256, "the image has 3 channels; it must have 4", "ask for 3 channels"),
        (png(drawn(1, "u1")[..., 0]), 2, 256, "the image has 1 channel; it must have 2", "ask for 1 channel"),
        (tiff(drawn(4, "u2"), **CONTIG), 4, 256, "16 bits per channel; it must have 8", "ask for 65,536 levels"),
        (tiff(drawn(4, "u1"), **CONTIG), 4, DEEP, "up to 8 bits per channel; for 65,536", "ask for 256 levels"),
        (tiff(drawn(4, "u2"), **CONTIG), 4, 4096, "the highest value is 65", "ask for more levels"),
        (tiff(drawn(1)), 1, 256, "floating-point, of 32 bits; they must be unsigned", "set data.values to real"),
        (tiff(drawn(4), **CONTIG), 4, DEEP, "floating-point, of 32 bits; they must be unsigned", "data.values to real"),
        (tiff(drawn(1, "u1").astype("i2")), 1, 256, "the values are signed, of 16 bits", AS_FLOATS),
        (tiff(drawn(1, "u1")), 1, REAL, "unsigned, of 8 bits; data.values is real", "remove `values = real`"),
        (tiff(drawn(1, "u1").astype("i4")), 1, REAL, "signed, of 32 bits; data.values is real", AS_FLOATS),
        (png(drawn(1, "u1")[..., 0]), 1, REAL, "the content is PNG, which has levels", "remove `values = real`"),
        (tiff(drawn(1), photometric="miniswhite"), 1, REAL, "MINISWHITE; they must be gray or RGB, and 0", "save"),
        (tiff(drawn(4)[..., :2]), 2, REAL, "the file has 12 pictures; it must have one", 'planarconfig="contig"'),
        (b"<html>", 1, REAL, "the image cannot be read: ", "replace"),
    ],
)
def test_what_does_not_fit(content: bytes, channels: int, levels: int, reason: str, way_out: str) -> None:
    error = refused(content, channels, levels)
    assert reason in str(error)
    assert way_out in error.remedy
    for spec_text in ("data.", "--channels", "values = real"):
        assert spec_text not in error.of_file


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.nan, "the value at row 3, column 5, channel 1 is nan; it must be finite"),
        (-np.inf, "the value at row 3, column 5, channel 1 is -inf; it must be finite"),
        (1e39, "the value at row 3, column 5, channel 1 is 1e+39, beyond the range of float32"),
    ],
)
def test_a_value_that_is_not_finite_is_refused_before_a_resize(value: float, reason: str) -> None:
    stored = drawn(2, "f8")
    stored[3, 5, 1] = value
    with pytest.raises(Unusable) as caught:
        read(tiff(stored, **CONTIG), 2, REAL, (6, 9))
    assert reason in str(caught.value)
    assert caught.value.remedy


def test_a_value_that_the_file_declares_as_missing_is_refused() -> None:
    stored = drawn(1)
    tag = [(42_113, "s", 0, "-9999", True)]
    np.testing.assert_array_equal(read(tiff(stored, extratags=tag), 1, REAL)[0], stored)
    stored[2, 4] = -9999
    error = refused(tiff(stored, extratags=tag), 1, REAL)
    assert "row 2, column 4, channel 0 is -9999, which the file declares as missing" in str(error)


# --- folders


@pytest.fixture
def floats(tmp_path: Path) -> Path:
    folder = tmp_path / "floats"
    folder.mkdir()
    for index in range(20):
        (folder / f"{index:02}.tif").write_bytes(tiff(drawn(2, seed=index), **CONTIG))
    return folder


def test_a_folder_of_floats(floats: Path, make_spec: Any) -> None:
    spec: DataSpec = make_spec(
        "folder", path=str(floats), channels=2, resolution=ImageSize(*SIZE), values="real", levels=0
    )
    train = open_split(spec, "train")
    found = everything(train)
    assert (str(found.dtype), train.levels, len(train)) == ("float32", 0, 16)
    np.testing.assert_array_equal(found, np.stack([drawn(2, seed=index) for index in train.members]))
    np.testing.assert_array_equal(found, everything(given_images([floats], spec).images)[train.members])

    smaller = spec.model_copy(update={"resolution": 6})
    images = open_split(smaller, "train")
    assert everything(images).shape == (16, 6, 6, 2)
    assert remarks(images) == ("16 training images: 16 cropped to the center, 16 resized",)
    refusing = spec.model_copy(update={"resolution": 6, "fit": "refuse"})
    with pytest.raises(UnusableImages, match="it must be square"):
        everything(open_split(refusing, "train"))


def test_files_with_values_that_are_not_finite_are_all_named(floats: Path, make_spec: Any) -> None:
    for index in (3, 11):
        stored = drawn(2)
        stored[0, index, 0] = np.nan
        (floats / f"{index:02}.tif").write_bytes(tiff(stored, **CONTIG))
    spec = make_spec(
        "folder", path=str(floats), channels=2, resolution=ImageSize(*SIZE), values="real", levels=0, validation=0
    )
    named = []
    for split in ("train", "test"):
        images = open_split(spec, split)
        members = [index for index in (3, 11) if index in images.members]
        if members:
            with pytest.raises(UnusableImages, match="the value at row 0") as caught:
                list(images.chunks())
            named += [index for index in members if f"{index:02}.tif" in str(caught.value)]
            assert caught.value.help == "replace the value, or leave out the image"
    assert sorted(named) == [3, 11]


def test_a_run_on_arrays_of_reals_reads_files_of_floats(floats: Path, make_spec: Any) -> None:
    spec: DataSpec = make_spec("npy", channels=2, resolution=ImageSize(*SIZE), values="real", levels=0)
    found = everything(given_images([floats / "03.tif"], spec).images)
    np.testing.assert_array_equal(found[0], drawn(2, seed=3))
    (floats / "a.png").write_bytes(png(drawn(1, "u1")[..., 0]))
    with pytest.raises(UnusableImages) as caught:
        everything(given_images([floats / "a.png"], spec).images)
    assert "data." not in caught.value.help
    with pytest.raises(InvalidData, match="have 5 channels; image files are read as up to 4"):
        given_images([floats], spec.model_copy(update={"channels": 5}))


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_four_channels_are_prepared(tmp_path: Path, make_spec: Any, dtype: str) -> None:
    levels, folder = (256 if dtype == "u1" else DEEP), tmp_path / "four"
    folder.mkdir()
    for index in range(12):
        (folder / f"{index:02}.tif").write_bytes(tiff(drawn(4, dtype, index), **CONTIG))
    size = ImageSize(*SIZE)
    made = data_to_prepare("folder", size, 4, levels)
    prepare(made, folder, tmp_path / "set", overwrite=False, bar=no_bar, fitting=fitting_from("refuse"))
    spec: DataSpec = make_spec(
        "folder", path=str(tmp_path / "set"), channels=4, resolution=size, levels=levels, fit="refuse", validation=0
    )
    raw = open_split(spec.model_copy(update={"path": str(folder)}), "train")
    np.testing.assert_array_equal(everything(open_split(spec, "train")), everything(raw))
    assert everything(raw).dtype == np.dtype(dtype)

    # Prepared images have levels.
    real = spec.model_copy(update={"values": "real", "levels": 0})
    with pytest.raises(RunError, match=r"the prepared images have levels; data\.values is real") as caught:
        PreparedSet.at(tmp_path / "set").split(real, "train")
    assert "remove `values = real`" in caught.value.help
