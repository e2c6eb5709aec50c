"""TIFF files of 8 and 16 bits per channel, gray or RGB, read with tifffile, an optional package."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterable
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.printable import joined
from hvaedsl_runtime.data.fitting import Change
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.data.problems import REPLACE, Unusable, too_many_pixels
from hvaedsl_runtime.data.sixteen_bits import Picture, check_depth

TIFF_SUFFIXES = (".tif", ".tiff")
# Both byte orders, of TIFF and of BigTIFF.
SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
ORIENTATION, COLOR_PROFILE = 274, 34_675
# Values of the tags PhotometricInterpretation, SampleFormat and ExtraSamples (TIFF 6.0, Adobe 1992).
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
UNSIGNED, UNCOMPRESSED = 1, 1
PREMULTIPLIED, ALPHA = 1, 2
# What tifffile raises for damaged files, beside its own exception; MemoryError for a damaged size.
DAMAGED = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, MemoryError, struct.error)
SAVE = "save the files as TIFF or PNG, in gray or RGB, of 8 or 16 bits per channel"


def require_tifffile(paths: Iterable[Path]) -> None:
    """Raise UsageError if one of the files is TIFF by its name, and tifffile is not installed."""
    if find_spec("tifffile") is not None:
        return
    for path in paths:
        if str(path).lower().endswith(TIFF_SUFFIXES):
            raise missing_extra(str(path))


def missing_extra(name: str) -> UsageError:
    """Make the error for a TIFF file, called `name`, without tifffile."""
    return UsageError(
        f"{name}: TIFF files need the extra `tiff` (tifffile missing): pip install 'hvaedsl[tiff]'",
        help="install it, convert the files to PNG, or move them to another folder",
    )


def tiff_picture(file: BinaryIO, levels: int) -> Picture:
    """Read a TIFF file, whose depth must fit the number of levels.

    Raises Unusable for a damaged file and for what is not read, UsageError if tifffile is not installed.
    """
    try:
        import tifffile
    except ImportError as error:
        raise missing_extra(getattr(file, "name", "the image")) from error

    # It logs what it finds wrong in a file, on standard error; what matters is raised below.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    try:
        with tifffile.TiffFile(file) as tiff:
            page = _only_page(tiff)
            channels = _channels(page)
            check_depth(page.bitspersample, levels)
            _check_data(page, file)
            pixels = _as_pixels(page.asarray(), page)
            tag = page.tags.get(ORIENTATION)
            changes = Change.PROFILE_IGNORED if COLOR_PROFILE in page.tags else Change(0)
            orientation = tag.value if tag is not None and isinstance(tag.value, int) else 1
    except (*DAMAGED, tifffile.TiffFileError, zlib.error) as error:
        if "imagecodecs" in str(error):
            raise Unusable(
                f"the compression {_name(page.compression)} needs the package imagecodecs",
                "install it with `pip install imagecodecs`, or save the files without compression",
            ) from error
        raise Unusable(f"the image cannot be read: {joined(error) or type(error).__name__}", REPLACE) from error
    return Picture(_with_plain_alpha(pixels, page, channels), orientation, changes | Change.DECODED)


def _only_page(tiff: Any) -> Any:
    """Return the one picture of a file, beside which it may have smaller copies. Raises Unusable for several."""
    pages = [page for page in tiff.pages if not page.is_reduced]
    stacked = (tiff.imagej_metadata or {}).get("images", 1)
    if len(pages) != 1 or stacked != 1 or pages[0].imagedepth != 1:
        count = max(len(pages), stacked, *(page.imagedepth for page in pages[:1]))
        raise Unusable(f"the file has {count} pictures; it must have one", "save each picture as a file")
    page = pages[0]
    height, width = page.imagelength, page.imagewidth
    if not height or not width:
        raise Unusable(f"the image is {height}x{width}", REPLACE)
    if height * width > (limit := 2 * (Image.MAX_IMAGE_PIXELS or 0)):
        raise too_many_pixels(f"{height * width:,}", limit)
    return page


def _channels(page: Any) -> int:
    """Return the number of channels without alpha. Raises Unusable for what is not gray or RGB, of 8 or 16 bits."""
    if page.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB):
        raise Unusable(f"the colors are {_name(page.photometric)}; they must be gray or RGB", SAVE)
    if page.sampleformat != UNSIGNED or page.bitspersample not in (8, 16):
        kind = {UNSIGNED: "unsigned", 2: "signed", 3: "floating-point"}.get(int(page.sampleformat), "complex")
        raise Unusable(
            f"the values are {kind}, of {page.bitspersample} bits; they must be unsigned, of 8 or 16 bits", SAVE
        )
    channels = 3 if page.photometric == RGB else 1
    extra = tuple(page.extrasamples)
    if page.samplesperpixel != channels + len(extra) or extra not in ((), (PREMULTIPLIED,), (ALPHA,)):
        raise Unusable(
            f"the image has {page.samplesperpixel} channels; gray and RGB, with or without alpha, are read", SAVE
        )
    return channels


def _check_data(page: Any, file: BinaryIO) -> None:
    """Raise Unusable if a part of the pixels is not in the file: tifffile would take it as zeros."""
    end = file.seek(0, 2)
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    needed = prod((page.imagelength, page.imagewidth, page.samplesperpixel, page.bitspersample // 8))
    short = page.compression == UNCOMPRESSED and sum(size for _, size in parts) < needed
    if short or not parts or any(not start or not size or start + size > end for start, size in parts):
        raise Unusable("the image cannot be read: a part of its pixels is missing", REPLACE)


def _as_pixels(array: np.ndarray[Any, Any], page: Any) -> Pixels:
    """Return the array of a page as [H, W, C] in this machine's byte order, and 0 as black."""
    separate = page.planarconfig == 2 and page.samplesperpixel > 1
    pixels = np.moveaxis(array, 0, -1) if separate else array
    shape = (page.imagelength, page.imagewidth, page.samplesperpixel)
    found: Pixels = pixels.reshape(shape).astype(f"uint{page.bitspersample}")
    if page.photometric == WHITE_IS_ZERO:
        found[..., 0] = np.iinfo(found.dtype).max - found[..., 0]
    return found


def _with_plain_alpha(pixels: Pixels, page: Any, channels: int) -> Pixels:
    """Return the pixels with alpha as it is. Raises Unusable for transparent colors that were multiplied by it."""
    if tuple(page.extrasamples) != (PREMULTIPLIED,):
        return pixels
    if (pixels[..., -1] != np.iinfo(pixels.dtype).max).any():
        raise Unusable(
            "the image has transparent pixels, whose colors are multiplied by alpha (ExtraSamples is 1)",
            "save the files without alpha, or with unassociated alpha",
        )
    return pixels[..., :channels]


def _name(value: object) -> str:
    """The name of a value of a tag, or its number if tifffile does not know it."""
    return str(getattr(value, "name", value))
