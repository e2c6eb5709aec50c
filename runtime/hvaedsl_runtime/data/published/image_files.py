"""Published images as PNG or JPEG files: listed in an order that no file system decides, decoded by several threads."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from hvaedsl.diagnostics.errors import InvalidData, RunError
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.folder import DECODING_THREADS, UNREADABLE
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.data.published.source import Origin, Part, images_at_a_time

# Brings an image to the size of the data set. Raises ValueError, saying what is wrong, for one that does not fit.
Fit = Callable[[Image.Image], Image.Image]


def part_of_files(root: Path, names: Sequence[str], fit: Fit, spec: DataSpec) -> Part:
    """The files `names` below `root`, in that order."""

    def read(index: int) -> tuple[str, bytes]:
        path = root / names[index]
        try:
            return str(path), path.read_bytes()
        except OSError as error:
            raise unreadable(str(path), error) from error

    return decoded_part(len(names), read, fit, spec)


def decoded_part(count: int, read: Callable[[int], tuple[str, bytes]], fit: Fit, spec: DataSpec) -> Part:
    """`count` images, of which `read` gives the name (for messages) and the bytes. Reads in order, decodes at once."""
    step = images_at_a_time(spec, least=DECODING_THREADS)

    def decode(named: tuple[str, bytes]) -> Pixels:
        return decoded(*named, fit)

    def batches() -> Iterator[Pixels]:
        with ThreadPoolExecutor(DECODING_THREADS) as pool:
            for start in range(0, count, step):
                indices = range(start, min(start + step, count))
                yield np.stack(list(pool.map(decode, map(read, indices))))

    return Part(count, batches)


def decoded(name: str, content: bytes, fit: Fit) -> Pixels:
    """One image file as uint8 [H, W, 3]. Raises RunError (4), naming it, where it is damaged or does not fit."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError("more than 8 bits per channel")
            pixels: Pixels = np.asarray(fit(image.convert("RGB")), dtype=np.uint8)
    except UNREADABLE as error:
        raise unreadable(name, error) from error
    return pixels


def unreadable(name: str, error: Exception) -> RunError:
    """The error for one file among many."""
    return InvalidData(f"{name}: the image cannot be read: {error}", help="get that file again, and prepare again")


def of_size(width: int, height: int) -> Fit:
    """Takes images of that size alone, as they are."""

    def fit(image: Image.Image) -> Image.Image:
        if image.size != (width, height):
            found = "x".join(map(str, image.size))
            raise ValueError(f"found {found} pixels, wanted {width}x{height}")
        return image

    return fit


def image_names(root: Path, suffixes: tuple[str, ...]) -> tuple[list[str], Origin]:
    """The image files below `root`, relative to it with /, in the order of their paths; and how many and how large.

    Hidden files are left out. Raises OSError where a folder cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise error

    names: list[str] = []
    size = 0
    for folder, _, files in os.walk(root, onerror=refuse):
        relative = Path(folder).relative_to(root).as_posix()
        prefix = "" if relative == "." else f"{relative}/"
        for file in files:
            if file.lower().endswith(suffixes) and not file.startswith("."):
                names.append(prefix + file)
                size += os.stat(os.path.join(folder, file)).st_size  # noqa: PTH116, PTH118 - over a million files
    return sorted(names), Origin(root, len(names), size)
