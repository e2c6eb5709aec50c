"""Photographs of 16 bits per channel, made from those that scikit-learn ships, and PNG files of them."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_sample_image

Deep = npt.NDArray[np.uint16]
# The color types of PNG by the number of channels.
COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def photograph(name: str = "china.jpg", step: int = 4) -> Deep:
    """A photograph as uint16 [H, W, 3], every `step`-th pixel; 8 more bits come from its neighbors.

    Its values go from 0 to 65,535.
    """
    image = load_sample_image(name).astype(np.int64)
    around = np.sum([np.roll(image, (down, across), (0, 1)) for down in (-1, 0, 1) for across in (-1, 0, 1)], axis=0)
    fine = (image * 257 + around)[::step, ::step]
    low, high = fine.min(), fine.max()
    spread: Deep = ((fine - low) * 65_535 // (high - low)).astype(np.uint16)
    return spread


def png_of(pixels: Deep, *, key: tuple[int, ...] = (), filters: bool = True) -> bytes:
    """A 16-bit PNG file of pixels [H, W, C], C from 1 to 4, with each of the filters of PNG in turn, row by row."""
    height, width, channels = pixels.shape
    rows = pixels.astype(">u2").view(np.uint8).reshape(height, width * channels * 2).astype(np.int64)
    lines = []
    for at, row in enumerate(rows):
        kind = at % 5 if filters else 0
        above = rows[at - 1] if at else np.zeros_like(row)
        shift = 2 * channels
        left, corner = (np.concatenate((np.zeros(shift, np.int64), line[:-shift])) for line in (row, above))
        lines.append(bytes([kind]) + (row - _predicted(kind, left, above, corner)).astype(np.uint8).tobytes())

    return _file(pixels, lines, key)


def interlaced_png_of(pixels: Deep) -> bytes:
    """A 16-bit PNG file of pixels [H, W, C], interlaced by Adam7 (ISO/IEC 15948, 8.2)."""
    starts = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    passes = (pixels[top::down, left::across] for top, left, down, across in starts)
    return _file(pixels, [b"\0" + row.astype(">u2").tobytes() for part in passes for row in part], interlaced=True)


def _file(pixels: Deep, lines: list[bytes], key: tuple[int, ...] = (), *, interlaced: bool = False) -> bytes:
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, COLOR_TYPES[channels], 0, 0, interlaced)
    transparent = _chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)) if key else b""
    pixels_chunk = _chunk(b"IDAT", zlib.compress(b"".join(lines)))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + transparent + pixels_chunk + _chunk(b"IEND", b"")


Row = npt.NDArray[np.int64]


def _predicted(kind: int, left: Row, above: Row, corner: Row) -> Row:
    """What a filter subtracts: nothing, left, above, their mean, or the one of Paeth (ISO/IEC 15948, 9.2)."""
    if kind < 3:
        return (np.zeros_like(left), left, above)[kind]
    if kind == 3:
        return (left + above) // 2
    guess = left + above - corner
    by_left, by_above, by_corner = (np.abs(guess - other) for other in (left, above, corner))
    return np.where(
        (by_left <= by_above) & (by_left <= by_corner), left, np.where(by_above <= by_corner, above, corner)
    )


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
