"""Published images as PNG or JPEG files: sorted by path, decoded by several threads."""

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

# Converts an image to the size of the dataset. Raises ValueError, with the reason, for an image that does not fit.
Fit = Callable[[Image.Image], Image.Image]


def part_of_files(root: Path, names: Sequence[str], fit: Fit, spec: DataSpec) -> Part:
    """Return the files `names` below `root`, in that order."""

    def read(index: int) -> tuple[str, bytes]:
        path = root / names[index]
        try:
            return str(path), path.read_bytes()
        except OSError as error:
            raise unreadable(str(path), error) from error

    return decoded_part(len(names), read, fit, spec)


def decoded_part(count: int, read: Callable[[int], tuple[str, bytes]], fit: Fit, spec: DataSpec) -> Part:
    """Return `count` images, decoded in parallel; `read` gives the name (for messages) and the bytes of each."""
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
    """Decode an image file, uint8 [H, W, 3]. Raises InvalidData, with its name, if it is damaged or does not fit."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError("it has more than 8 bits per channel")
            pixels: Pixels = np.asarray(fit(image.convert("RGB")), dtype=np.uint8)
    except UNREADABLE as error:
        raise unreadable(name, error) from error
    return pixels


def unreadable(name: str, error: Exception) -> RunError:
    """Make the error for one image file."""
    return InvalidData(f"{name}: the image cannot be read: {error}", help="download it again, then prepare again")


def require_size(width: int, height: int) -> Fit:
    """Return images unchanged. `Fit` raises ValueError for an image of another size."""

    def fit(image: Image.Image) -> Image.Image:
        if image.size != (width, height):
            found = "x".join(map(str, image.size))
            raise ValueError(f"it has {found} pixels; it must have {width}x{height}")
        return image

    return fit


def image_names(root: Path, suffixes: tuple[str, ...]) -> tuple[list[str], Origin]:
    """List the image files below `root`, as paths relative to it with /, sorted; and their number and total size.

    Hidden files are skipped. Raises OSError if a folder cannot be listed.
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
