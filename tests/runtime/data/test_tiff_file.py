"""TIFF files: gray and color, 8 and 16 bits, what is refused by name, and the message without tifffile."""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl_runtime.data import open_split
from hvaedsl_runtime.data.fitting import Change, Fitting
from hvaedsl_runtime.data.given_images import given_images
from hvaedsl_runtime.data.image_file import decode, fit_to
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.data.problems import Unusable
from tests.runtime.data.image_folders import everything
from tests.runtime.data.photographs import photograph

CHINA = photograph()  # 107 x 160 x 3
EIGHT = (CHINA >> 8).astype(np.uint8)
HEIGHT, WIDTH, _ = CHINA.shape
BOTH = pytest.mark.parametrize("photo", [EIGHT, CHINA], ids=["8 bits", "16 bits"])


def tiff(pixels: Any, **options: Any) -> bytes:
    tifffile = pytest.importorskip("tifffile")
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def read(content: bytes, channels: int, levels: int, size: tuple[int, int] = (HEIGHT, WIDTH), **options: Any) -> Any:
    fitting = Fitting(**options)
    pixels, changes = decode(io.BytesIO(content), channels, fitting, fit_to(*size, fitting), levels=levels)
    assert pixels.shape == (*size, channels)
    return pixels, changes & ~Change.DECODED


def refused(content: bytes, reason: str, remedy: str, channels: int = 1, levels: int = 65_536) -> None:
    with pytest.raises(Unusable, match=reason) as caught:
        read(content, channels, levels)
    assert remedy in caught.value.remedy


def levels_for(photo: Pixels) -> int:
    return 256 if photo.dtype == np.uint8 else 65_536


@BOTH
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"tile": (32, 48)},
        {"rowsperstrip": 7},
        {"compression": "zlib", "predictor": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_value_is_a_level(photo: Pixels, channels: int, options: dict[str, Any]) -> None:
    pixels = photo if channels == 3 else photo[..., 0]
    kind = "rgb" if channels == 3 else "minisblack"
    found, changes = read(tiff(pixels, photometric=kind, **options), channels, levels_for(photo))
    np.testing.assert_array_equal(found.squeeze(), pixels)
    assert (found.dtype, changes) == (photo.dtype, 0)


@BOTH
def test_other_layouts_of_the_same_image(photo: Pixels) -> None:
    levels, top = levels_for(photo), np.iinfo(photo.dtype).max
    planes = tiff(np.moveaxis(photo, -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read(planes, 3, levels)[0], photo)
    inverted = tiff(top - photo[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(read(inverted, 1, levels)[0], photo[..., :1])
    thumbnail = io.BytesIO()
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffWriter(thumbnail) as file:
        file.write(photo, photometric="rgb")
        file.write(photo[::4, ::4], photometric="rgb", subfiletype=1)
    np.testing.assert_array_equal(read(thumbnail.getvalue(), 3, levels)[0], photo)


@BOTH
def test_alpha(photo: Pixels) -> None:
    levels, top = levels_for(photo), np.iinfo(photo.dtype).max
    opaque = np.concatenate((photo, np.full_like(photo[..., :1], top)), axis=-1)
    hole = opaque.copy()
    hole[:20, :20, 3] = 0
    for extra in ("unassalpha", "assocalpha"):
        found, changes = read(tiff(opaque, photometric="rgb", extrasamples=[extra]), 3, levels)
        np.testing.assert_array_equal(found, photo)
        assert changes == 0
    transparent = tiff(hole, photometric="rgb", extrasamples=["unassalpha"])
    refused(transparent, "the image has transparent pixels", "--background", 3, levels)
    found, changes = read(transparent, 3, levels, background=(255, 255, 255))
    assert (found[:20, :20] == top).all()
    np.testing.assert_array_equal(found[20:], photo[20:])
    assert changes == Change.COMPOSITED
    refused(
        tiff(hole, photometric="rgb", extrasamples=["assocalpha"]),
        "multiplied by alpha",
        "unassociated alpha",
        3,
        levels,
    )


@BOTH
def test_files_are_fitted_and_turned_as_png_files_are(photo: Pixels) -> None:
    """With the orientation of TIFF, a color profile, a crop and a resize."""
    levels = levels_for(photo)
    upright, _ = read(tiff(np.rot90(photo), photometric="rgb"), 3, levels, (40, 40))
    tags = [(274, "H", 1, 8, True), (34_675, "B", 4, b"icc ", True)]
    found, changes = read(tiff(photo, photometric="rgb", extratags=tags), 3, levels, (40, 40))
    np.testing.assert_array_equal(found, upright)
    assert changes == Change.ROTATED | Change.PROFILE_IGNORED | Change.CROPPED | Change.RESIZED
    assert found.max() > np.iinfo(photo.dtype).max // 2


def test_what_is_not_read_is_refused_by_name() -> None:
    gray, eight = CHINA[..., 0], EIGHT[..., 0]
    refused(tiff(eight), "up to 8 bits per channel; for 65,536 levels", "16 bits")
    refused(tiff(gray), "has 16 bits per channel; it must have 8", "ask for 65,536 levels", levels=256)
    refused(tiff(gray.astype(np.float32)), "the values are floating-point, of 32 bits", "8 or 16 bits")
    refused(tiff(gray.astype(np.int16)), "the values are signed, of 16 bits", "8 or 16 bits")
    refused(tiff(gray > 0), "the values are unsigned, of 1 bit; they must", "8 or 16 bits")
    refused(tiff(gray.astype(np.uint32)), "the values are unsigned, of 32 bits", "8 or 16 bits")
    refused(tiff(np.stack([gray] * 3), photometric="minisblack"), "the file has 3 pictures", "save each picture")
    refused(tiff(np.stack([gray] * 3), imagej=True), "the file has 3 pictures", "save each picture")
    refused(tiff(np.stack([gray] * 4, axis=-1), photometric="separated"), "the colors are SEPARATED", "gray or RGB")
    refused(tiff(np.stack([gray] * 5, axis=-1), photometric="rgb"), "the image has 5 channels", "gray or RGB")
    refused(tiff(CHINA, photometric="rgb"), "the image is in color, and 1 channel", "--gray")
    map_of_colors = np.zeros((3, 256), dtype=np.uint16)
    refused(tiff(eight, photometric="palette", colormap=map_of_colors), "the colors are PALETTE", "RGB", levels=256)


def test_damaged_files_are_refused() -> None:
    content = tiff(CHINA[..., 0])
    refused(content[: len(content) // 2], "the image cannot be read", "replace or remove")
    refused(content[:20], "the image cannot be read", "replace or remove")
    packed = bytearray(tiff(CHINA[..., 0], compression="zlib"))
    packed[len(packed) // 2] ^= 255
    refused(bytes(packed), "the image cannot be read", "replace or remove")


@pytest.mark.parametrize("compression", ["none", "zlib"])
def test_no_damaged_byte_of_a_header_is_a_traceback(compression: str) -> None:
    options = {} if compression == "none" else {"compression": compression}
    content = tiff(CHINA[:16, :16, 0], **options)
    taken = 0
    for at in [*range(8, 300), *range(len(content) - 300, len(content))]:
        for value in (0, 255, content[at] ^ 1):
            damaged = bytearray(content)
            damaged[at] = value
            try:
                decode(io.BytesIO(bytes(damaged)), 1, Fitting(), fit_to(16, 16, Fitting()), levels=65_536)
                taken += 1
            except Unusable:
                continue
    assert taken


def test_an_image_beyond_the_limit_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    content = tiff(CHINA[..., 0])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
    refused(content, "the image has 17,120 pixels; at most 2,000 are decoded", "scale such files down")


def test_a_compression_that_needs_another_package_is_named() -> None:
    if importlib.util.find_spec("imagecodecs") is not None:
        pytest.skip("imagecodecs is installed")
    pytest.importorskip("tifffile")
    buffer = io.BytesIO()
    Image.fromarray(EIGHT).save(buffer, "TIFF", compression="tiff_lzw")
    refused(buffer.getvalue(), "the compression LZW needs the package imagecodecs", "pip install", 3, 256)


def test_a_folder_of_tiff_files(tmp_path: Path, make_spec: Any) -> None:
    for index in range(10):
        (tmp_path / f"{index}.{'tif' if index % 2 else 'TIFF'}").write_bytes(tiff(CHINA + np.uint16(index)))
    spec = make_spec("folder", path=str(tmp_path), channels=3, resolution=16, levels=65_536, validation=0)
    images = open_split(spec, "train")
    assert everything(images).dtype == np.uint16
    np.testing.assert_array_equal(everything(images), given_images([tmp_path], spec).images.batch(images.members))


def test_without_tifffile_one_message_names_the_extra(
    tmp_path: Path, make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setitem(sys.modules, "tifffile", None)
    monkeypatch.setattr(
        "hvaedsl_runtime.data.tiff_file.find_spec", lambda name: None if name == "tifffile" else find(name)
    )
    for index in range(10):
        Image.fromarray(EIGHT).save(tmp_path / f"{index}.png")
    spec = make_spec("folder", path=str(tmp_path), channels=3, resolution=16, validation=0)
    assert len(open_split(spec, "train")) == 9

    message = r"TIFF files need the extra `tiff` \(tifffile missing\): pip install 'hvaedsl\[tiff\]'"
    Image.fromarray(EIGHT).save(tmp_path / "10.tif")
    with pytest.raises(UsageError, match=rf"10\.tif: {message}"):
        open_split(spec, "train")
    (tmp_path / "10.tif").rename(tmp_path / "10.png")
    with pytest.raises(UsageError, match=rf"10\.png: {message}"):
        open_split(spec, "train").images.read(np.arange(11))
