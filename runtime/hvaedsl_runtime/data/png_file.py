"""What Pillow does not check in a PNG file: it fills rows that are missing, and colors beyond the palette, with black.

Numbers of sections are those of ISO/IEC 15948.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from hvaedsl_runtime.data.problems import REPLACE, Unusable

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Color types, and the number of channels of each (11.2.2).
PNG_GRAY, PNG_RGB, PNG_PALETTE, PNG_GRAY_ALPHA, PNG_RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {PNG_GRAY: 1, PNG_RGB: 3, PNG_PALETTE: 1, PNG_GRAY_ALPHA: 2, PNG_RGB_ALPHA: 4}
# The signature, then the length, the type and the content of the chunk IHDR.
HEADER_AT, HEADER = 16, struct.Struct(">IIBBBBB")
HEADER_END = HEADER_AT + HEADER.size
# The first column and row of each pass of an interlaced image, and the distance to the next ones (8.2).
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
BLOCK = 2**16


class PngHeader(NamedTuple):
    """The chunk IHDR."""

    width: int
    height: int
    depth: int
    color_type: int
    compression: int
    filters: int
    interlacing: int

    @classmethod
    def of(cls, start: bytes) -> PngHeader | None:
        """Read the first HEADER_END bytes of a file; None if it is no PNG file."""
        if len(start) < HEADER_END or not start.startswith(SIGNATURE):
            return None
        return cls(*HEADER.unpack_from(start, HEADER_AT))

    @property
    def pixel_bytes(self) -> int:
        """The number of bytes of the pixels before compression; each row has one more, for its filter (7.2)."""
        passes = PASSES if self.interlacing else ((0, 0, 1, 1),)
        total = 0
        for left, top, across, down in passes:
            columns, rows = -((left - self.width) // across), -((top - self.height) // down)
            if columns > 0:
                total += max(0, rows) * (1 + -(-columns * self.depth * CHANNELS[self.color_type] // 8))
        return total


def check_all_rows(file: BinaryIO, image: Image.Image, header: PngHeader) -> None:
    """Raise Unusable if the file has fewer pixels than its header states; `image` is the decoded file.

    Decompressing again takes half as long as decoding. It is done only if the last row is 0 everywhere, as Pillow
    leaves a row that is missing, and for interlaced images, whose last row is not the last one in the file.
    """
    last_row = image.crop((0, image.height - 1, image.width, image.height))
    if not header.interlacing and np.asarray(last_row).any():
        return
    needed = header.pixel_bytes
    found = _decompressed_bytes(file, needed)
    if found < needed:
        raise Unusable(
            f"the image cannot be read: a part of its pixels is missing; it has {found:,} of {needed:,} bytes", REPLACE
        )


def _decompressed_bytes(file: BinaryIO, needed: int) -> int:
    """The number of bytes of the pixels in a file, of which more than `needed` are not counted."""
    stream, found = zlib.decompressobj(), 0
    try:
        for data in _pixel_data(file):
            while data and found < needed:
                found += len(stream.decompress(data, BLOCK))
                data = stream.unconsumed_tail
    except zlib.error as error:
        raise Unusable(f"the image cannot be read: {error}", REPLACE) from error
    return found


def _pixel_data(file: BinaryIO) -> Iterator[bytes]:
    """The contents of the chunks IDAT, which follow each other (5.6)."""
    file.seek(len(SIGNATURE))
    is_inside = False
    while len(start := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", start)
        if kind == b"IDAT":
            is_inside = True
            yield file.read(length)
            length = 0
        elif is_inside:
            return
        file.seek(length + 4, 1)  # past the checksum, which Pillow has compared
