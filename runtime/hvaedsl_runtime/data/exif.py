"""The orientation in the EXIF data of an image file, and whether these data are damaged."""

from __future__ import annotations

import struct
from typing import NamedTuple

from PIL import Image

ORIENTATION = 0x0112
# What Pillow's reader raises for damaged data.
UNREADABLE = (OSError, ValueError, TypeError, SyntaxError, KeyError, struct.error)
# What may precede the TIFF header, more than once in files of some programs.
PREFIX = b"Exif\0\0"
# The bytes of a value of each type of TIFF, by its number. Readers skip values of other types.
TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
ENTRY_BYTES = 12
# Values up to this size are in the entry itself.
INLINE_BYTES = 4
# The transposition that makes the picture of each orientation upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Exif(NamedTuple):
    """`orientation` is 1 to 8, 1 if none can be read. `damaged`: the data, or their orientation, cannot be read."""

    orientation: int
    damaged: bool

    def upright(self, image: Image.Image) -> Image.Image:
        """Apply the orientation."""
        return image.transpose(UPRIGHT[self.orientation]) if self.orientation in UPRIGHT else image


def exif_of(image: Image.Image) -> Exif:
    """Read the orientation of an image that is loaded, from EXIF or XMP. Damaged data raise nothing."""
    raw = image.info.get("exif")
    damaged = isinstance(raw, bytes) and is_damaged(raw)
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except UNREADABLE:
        return Exif(1, True)
    known = found in range(10)  # 0 and 9 have no meaning, but cameras and programs write 0
    return Exif(int(found) if known and found in UPRIGHT else 1, damaged or not known)


def is_damaged(raw: bytes) -> bool:
    """Whether the main directory of EXIF data cannot be read: its header, an entry, or a value beyond the end."""
    while raw.startswith(PREFIX):
        raw = raw.removeprefix(PREFIX)
    if not raw:
        return False
    order = BYTE_ORDERS.get(raw[:4])
    if order is None or len(raw) < 8:
        return True

    (start,) = struct.unpack_from(f"{order}L", raw, 4)
    if len(raw) < start + 2:
        return True
    (entries,) = struct.unpack_from(f"{order}H", raw, start)
    if len(raw) < start + 2 + entries * ENTRY_BYTES:
        return True
    for at in range(start + 2, start + 2 + entries * ENTRY_BYTES, ENTRY_BYTES):
        _, kind, count, place = struct.unpack_from(f"{order}HHLL", raw, at)
        size = TYPE_SIZES.get(kind, 0) * count
        if size > INLINE_BYTES and place + size > len(raw):
            return True
    return False
