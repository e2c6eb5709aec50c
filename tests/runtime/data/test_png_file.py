"""PNG files whose checksums are right, but whose pixels are not all there or are beyond the palette."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from hvaedsl_runtime.data import png_file
from hvaedsl_runtime.data.file_images import FileImages
from hvaedsl_runtime.data.fitting import Fitting
from hvaedsl_runtime.data.image_file import decode, fit_to
from hvaedsl_runtime.data.images import Values
from hvaedsl_runtime.data.levels import EIGHT_BIT_LEVELS, SIXTEEN_BIT_LEVELS
from hvaedsl_runtime.data.problems import REPLACE, Unusable

SIZE = 8
COLORS = bytes(range(3 * 16))


class Kind(NamedTuple):
    """A depth and color type, with the bytes of a row of 8 pixels."""

    depth: int
    color_type: int
    row_bytes: int


KINDS = {
    "gray of 1 bit": Kind(1, png_file.PNG_GRAY, 1),
    "gray of 8 bits": Kind(8, png_file.PNG_GRAY, 8),
    "RGB of 8 bits": Kind(8, png_file.PNG_RGB, 24),
    "palette of 4 bits": Kind(4, png_file.PNG_PALETTE, 4),
    "palette of 8 bits": Kind(8, png_file.PNG_PALETTE, 8),
    "gray of 16 bits": Kind(16, png_file.PNG_GRAY, 16),
    "RGB of 16 bits": Kind(16, png_file.PNG_RGB, 48),
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def png(
    pixels: bytes,
    depth: int = 8,
    color_type: int = png_file.PNG_GRAY,
    *,
    size: tuple[int, int] = (SIZE, SIZE),
    palette: bytes = COLORS,
    parts: int = 1,
    interlaced: bool = False,
) -> bytes:
    """A PNG file of these bytes of pixels, however many there should be, in `parts` chunks."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    compressed = zlib.compress(pixels)
    length = -(-len(compressed) // parts)
    chunks = [chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, color_type, 0, 0, interlaced))]
    if color_type == png_file.PNG_PALETTE and palette:
        chunks.append(chunk(b"PLTE", palette))
    chunks += [chunk(b"IDAT", compressed[at : at + length]) for at in range(0, len(compressed), length)]
    return png_file.SIGNATURE + b"".join([*chunks, chunk(b"tEXt", b"a\0b"), chunk(b"IEND", b"")])


def read(content: bytes, height: int = SIZE, width: int = SIZE) -> Values:
    fitting = Fitting()
    header = png_file.PngHeader.of(content)
    levels = SIXTEEN_BIT_LEVELS if header is not None and header.depth == 16 else EIGHT_BIT_LEVELS
    return decode(io.BytesIO(content), 3, fitting, fit_to(height, width, fitting), levels=levels)[0]


def refused(content: bytes, reason: str) -> None:
    with pytest.raises(Unusable, match=f"^the image cannot be read: {re.escape(reason)}$") as caught:
        read(content)
    assert caught.value.remedy == REPLACE


@each_kind
def test_missing_rows_are_refused(kind: Kind) -> None:
    row = b"\0" + b"\x05" * kind.row_bytes
    assert read(png(row * 8, kind.depth, kind.color_type)).any()
    assert read(png(row * 9, kind.depth, kind.color_type)).any()  # bytes after the last row are none of the image
    for rows in (1, 5, 7):
        reason = f"a part of its pixels is missing; it has {rows * len(row)} of {8 * len(row)} bytes"
        refused(png(row * rows, kind.depth, kind.color_type), reason)
    refused(png((row * 8)[:-1], kind.depth, kind.color_type), "image file is truncated (0 bytes not processed)")


@each_kind
def test_black_rows_are_no_missing_rows(kind: Kind) -> None:
    row, black = b"\0" + b"\x05" * kind.row_bytes, bytes(1 + kind.row_bytes)
    for rows in (row * 5 + black * 3, black * 8):
        for parts in (1, 3):
            read(png(rows, kind.depth, kind.color_type, parts=parts))


@pytest.mark.parametrize("height", range(1, 10))
@pytest.mark.parametrize("width", range(1, 10))
def test_missing_rows_of_an_interlaced_file_are_refused(width: int, height: int) -> None:
    # The pixels that each pass takes of blocks of 8x8, as drawn in the standard.
    block = ["16462646", "77777777", "56565656", "77777777", "36463646", "77777777", "56565656", "77777777"]
    order = [[block[y % 8][x % 8] for x in range(width)] for y in range(height)]
    rows = [b"\0" + bytes([200] * row.count(number)) for number in "1234567" for row in order if number in row]
    size = (width, height)
    assert (read(png(b"".join(rows), size=size, interlaced=True), height, width) == 200).all()
    for found in range(1, len(rows)):
        with pytest.raises(Unusable, match="a part of its pixels is missing"):
            read(png(b"".join(rows[:found]), size=size, interlaced=True), height, width)


def test_a_large_image_is_counted_in_blocks() -> None:
    black = bytes(1001) * 1000
    read(png(black, size=(1000, 1000)), 1000, 1000)
    with pytest.raises(Unusable, match=r"it has 999,999 of 1,001,000 bytes"):
        read(png(black[:-1001], size=(1000, 1000)), 1000, 1000)


def test_most_files_are_decompressed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(png_file, "_decompressed_bytes")
    read(png((b"\0" + bytes(7) + b"\1") * 8))


def test_a_file_is_searched_for_missing_rows_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "black.png"
    path.write_bytes(png(bytes(9) * 8))
    images = FileImages((path,), (SIZE, SIZE, 1), EIGHT_BIT_LEVELS, Fitting())
    first = images.read(np.array([0]))
    monkeypatch.delattr(png_file, "_decompressed_bytes")
    np.testing.assert_array_equal(images.read(np.array([0])), first)


@pytest.mark.parametrize("depth", [4, 8])
def test_colors_beyond_the_palette_are_refused(depth: int) -> None:
    row_of = {4: b"\0" + b"\x77" * 4, 8: b"\0" + b"\x07" * 8}
    content = {
        colors: png(row_of[depth] * 8, depth, png_file.PNG_PALETTE, palette=COLORS[: 3 * colors])
        for colors in (0, 1, 7, 8)
    }
    assert read(content[8])[0, 0].tolist() == [21, 22, 23]
    refused(content[7], "a pixel has index 7 in a palette of 7 colors")
    refused(content[1], "a pixel has index 7 in a palette of 1 color")
    refused(content[0], "its palette is missing")


def test_colors_beyond_the_palette_of_a_bmp_file_are_refused() -> None:
    image = Image.fromarray(np.full((SIZE, SIZE), 7, dtype=np.uint8))
    for colors in (7, 8):
        image.putpalette(COLORS[: 3 * colors])
        buffer = io.BytesIO()
        image.save(buffer, "BMP")
        if colors == 8:
            assert read(buffer.getvalue())[0, 0].tolist() == [21, 22, 23]
        else:
            refused(buffer.getvalue(), "a pixel has index 7 in a palette of 7 colors")
