"""EXIF data of image files: the orientation, and data that are damaged, which lose no image."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from hvaedsl_runtime.data.exif import PREFIX, is_damaged
from hvaedsl_runtime.data.fitting import Change
from tests.runtime.data.test_image_file import COLOR, PIXELS, read, saved

ORIENTED = (0x0112, 3, 1, b"\0\x06\0\0")  # turned by 90 degrees
UPRIGHT = np.rot90(PIXELS, -1)
BEYOND = struct.pack(">L", 9999)


def exif(*entries: tuple[int, int, int, bytes], more: bytes = b"") -> bytes:
    """EXIF data of one directory; `more` follows it, for values that are not in their entries."""
    directory = b"".join(struct.pack(">HHL", tag, kind, count) + value for tag, kind, count, value in entries)
    return PREFIX + b"MM\0*\0\0\0\x08" + struct.pack(">H", len(entries)) + directory + b"\0\0\0\0" + more


def resolution(*values: int) -> bytes:
    """EXIF data with the orientation, and a resolution of these numerators and denominators."""
    place = struct.pack(">L", 8 + 2 + 2 * 12 + 4)
    more = struct.pack(f">{len(values)}L", *values)
    return exif(ORIENTED, (282, 5, len(values) // 2, place), more=more)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(exif(ORIENTED), id="sound"),
        pytest.param(PREFIX + exif(ORIENTED), id="two headers"),
        pytest.param(resolution(0, 0), id="a resolution of 0 / 0"),
        pytest.param(resolution(1, 0, 0, 0), id="two resolutions"),
        pytest.param(exif(ORIENTED, (282, 99, 1, BEYOND)), id="an unknown type"),
        pytest.param(exif(ORIENTED, (0x8825, 4, 1, BEYOND)), id="a lost directory of GPS"),
    ],
)
def test_an_orientation_is_applied_whatever_else_the_data_have(data: bytes) -> None:
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        pixels, changes = read(saved(COLOR, kind, exif=data, **options))
        assert np.array_equal(pixels, UPRIGHT)
        assert changes == Change.ROTATED


@pytest.mark.parametrize(
    ("data", "is_turned"),
    [
        pytest.param(exif(ORIENTED, (282, 5, 1, BEYOND)), True, id="a value beyond the end"),
        pytest.param(PREFIX + b"garbage!", False, id="no header"),
        pytest.param(PREFIX + b"MM\0*\0\0\0\x08\0\x05\x01\x12", False, id="fewer entries than announced"),
        pytest.param(PREFIX + b"II*\0\xff\xff\xff\x7f", False, id="a directory beyond the end"),
        pytest.param(PREFIX + b"II*\0\x08", False, id="cut in its header"),
        pytest.param(exif((0x0112, 2, 2, b"6\0\0\0")), False, id="an orientation in letters"),
    ],
)
def test_damaged_data_are_counted_and_lose_no_image(data: bytes, is_turned: bool) -> None:
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True}), ("JPEG", {"quality": 95})):
        pixels, changes = read(saved(COLOR, kind, exif=data, **options))
        assert changes == Change.EXIF_DAMAGED | (Change.ROTATED if is_turned else Change(0))
        if kind != "JPEG":
            assert np.array_equal(pixels, UPRIGHT if is_turned else PIXELS)


def test_an_orientation_without_a_meaning_is_no_damage() -> None:
    for value in (0, 9):
        data = Image.Exif()
        data[0x0112] = value
        assert read(saved(COLOR, exif=data))[1] == Change(0)
    assert not is_damaged(PREFIX)
