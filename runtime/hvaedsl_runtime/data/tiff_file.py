"""TIFF files of 8 and 16 bits per channel, or of floats, read with tifffile, an optional package."""

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
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.diagnostics.printable import joined
from hvaedsl.ir.data_spec import MOST_FILE_CHANNELS
from hvaedsl_runtime.data.fitting import ASK_FOR_CHANNELS, Change
from hvaedsl_runtime.data.images import Values
from hvaedsl_runtime.data.levels import NO_LEVELS
from hvaedsl_runtime.data.problems import REPLACE, Unusable, too_many_pixels
from hvaedsl_runtime.data.sixteen_bits import Picture, check_depth
from hvaedsl_runtime.data.stored_channels import check_channels, takes_stored

TIFF_SUFFIXES = (".tif", ".tiff")
# Both byte orders, of TIFF and of BigTIFF.
SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
ORIENTATION, COLOR_PROFILE, MISSING_VALUE = 274, 34_675, 42_113
# Values of the tags PhotometricInterpretation, SampleFormat and ExtraSamples (TIFF 6.0, Adobe 1992).
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
UNSIGNED, SIGNED, FLOATING_POINT, UNCOMPRESSED = 1, 2, 3, 1
KINDS = {UNSIGNED: "unsigned", SIGNED: "signed", FLOATING_POINT: "floating-point"}
FLOAT_BITS = (16, 32, 64)
UNSPECIFIED, PREMULTIPLIED, ALPHA = 0, 1, 2
# The predictor of floats, for whose decoding tifffile needs imagecodecs as for a compression.
FLOAT_PREDICTOR = 3
# What tifffile raises for damaged files, beside its own exception; MemoryError for a damaged size.
DAMAGED = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, MemoryError, struct.error)
SAVE = "save the files as TIFF or PNG, in gray or RGB, of 8 or 16 bits per channel"
TO_FLOATS = 'save the files as floats, `tifffile.imwrite(OUT, tifffile.imread(IN).astype("float32"))`'
# numpy arrays with channels are otherwise written as a picture for each row or channel.
AS_ONE = '`tifffile.imwrite(OUT, image, photometric="minisblack", planarconfig="contig")` with `image` [H, W, C]'


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


def tiff_picture(file: BinaryIO, channels: int, levels: int) -> Picture:
    """Read a TIFF file, whose depth must fit the number of levels; for NO_LEVELS, it must have floats.

    Gray and RGB are read for 1 and 3 channels of levels, with alpha. For other channels, and for real values, the file
    must have `channels` of them, whatever they mean.
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
            _check_values(page, levels)
            stored = _check_channels(page, channels, levels)
            _check_data(page, file)
            pixels = _as_pixels(page.asarray(), page)
            if levels == NO_LEVELS:
                _check_missing(pixels, page)
            tag = page.tags.get(ORIENTATION)
            changes = Change.PROFILE_IGNORED if COLOR_PROFILE in page.tags else Change(0)
            orientation = tag.value if tag is not None and isinstance(tag.value, int) else 1
    except (*DAMAGED, tifffile.TiffFileError, zlib.error) as error:
        if "imagecodecs" in str(error):
            is_predictor = int(page.predictor) == FLOAT_PREDICTOR
            what = "the predictor for floats" if is_predictor else f"the compression {_name(page.compression)}"
            raise Unusable(
                f"{what} needs the package imagecodecs",
                "install it with `pip install imagecodecs`, or save the files without compression",
            ) from error
        raise Unusable(f"the image cannot be read: {joined(error) or type(error).__name__}", REPLACE) from error
    return Picture(pixels if stored else _with_plain_alpha(pixels, page), orientation, changes | Change.DECODED)


def _only_page(tiff: Any) -> Any:
    """Return the one picture of a file, beside which it may have smaller copies. Raises Unusable for several."""
    pages = [page for page in tiff.pages if not page.is_reduced]
    stacked = (tiff.imagej_metadata or {}).get("images", 1)
    if len(pages) != 1 or stacked != 1 or pages[0].imagedepth != 1:
        count = max(len(pages), stacked, *(page.imagedepth for page in pages[:1]))
        raise Unusable(
            f"the file has {count} pictures; it must have one",
            f"save each picture as a file; if they are the channels or rows of one, {AS_ONE}",
        )
    page = pages[0]
    height, width = page.imagelength, page.imagewidth
    if not height or not width:
        raise Unusable(f"the image is {height}x{width}", REPLACE)
    if height * width > (limit := 2 * (Image.MAX_IMAGE_PIXELS or 0)):
        raise too_many_pixels(f"{height * width:,}", limit)
    return page


def _check_values(page: Any, levels: int) -> None:
    """Raise Unusable unless the values are of 8 or 16 bits, as the levels are; or are floats, for NO_LEVELS."""
    is_real, bits = levels == NO_LEVELS, page.bitspersample
    kind = KINDS.get(int(page.sampleformat), "complex")
    found = f"the values are {kind}, of {counted(bits, 'bit')}"
    if is_real and (page.sampleformat != FLOATING_POINT or bits not in FLOAT_BITS):
        as_levels = page.sampleformat == UNSIGNED and bits in (8, 16)
        raise Unusable(
            f"{found}; data.values is real, and they must be floating-point, of 16, 32 or 64 bits",
            TO_FLOATS + (", or remove `values = real` from the spec, for levels" if as_levels else ""),
            of_file=TO_FLOATS,
        )
    if not is_real and (page.sampleformat != UNSIGNED or bits not in (8, 16)):
        floats = page.sampleformat == FLOATING_POINT
        to_floats = "" if floats else f"{TO_FLOATS} and "
        raise Unusable(
            f"{found}; they must be unsigned, of 8 or 16 bits",
            f"{SAVE}; for real values, {to_floats}set data.values to real in a spec for a folder",
            of_file=SAVE,
        )
    if not is_real:
        check_depth(bits, levels)


def _check_channels(page: Any, channels: int, levels: int) -> bool:
    """Check the colors and the number of channels. Returns whether these are taken as the file has them.

    Raises Unusable for what is not gray, RGB or, where channels are taken so, as many channels as asked for.
    """
    inverted = page.photometric == WHITE_IS_ZERO and levels == NO_LEVELS
    if page.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB) or inverted:
        real = ", and 0 must be black" if inverted else ""
        raise Unusable(f"the colors are {_name(page.photometric)}; they must be gray or RGB{real}", SAVE)

    found, extra = page.samplesperpixel, tuple(page.extrasamples)
    unnamed = found == channels and set(extra) <= {UNSPECIFIED}
    if unnamed or takes_stored(channels, levels):
        check_channels(found, channels)
        return True

    colors = 3 if page.photometric == RGB else 1
    if found != colors + len(extra) or extra not in ((), (PREMULTIPLIED,), (ALPHA,)):
        ask = f", or ask for {found} channels: {ASK_FOR_CHANNELS}" if found <= MOST_FILE_CHANNELS else ""
        raise Unusable(
            f"the image has {counted(found, 'channel')}; gray and RGB, with or without alpha, are read as "
            f"{counted(channels, 'channel')}",
            f"{SAVE}{ask}",
            of_file=SAVE,
        )
    return False


def _check_missing(values: Values, page: Any) -> None:
    """Raise Unusable for a value that the file declares as missing, in the tag of GDAL."""
    if MISSING_VALUE not in page.tags:
        return
    at = np.argwhere(values == values.dtype.type(page.nodata))
    if len(at):
        row, column, channel = at[0].tolist()
        raise Unusable(
            f"the value at row {row}, column {column}, channel {channel} is {page.nodata:g}, which the file declares "
            "as missing (GDAL_NODATA)",
            "fill in missing values, crop the files, or leave out the image",
        )


def _check_data(page: Any, file: BinaryIO) -> None:
    """Raise Unusable if a part of the pixels is not in the file: tifffile would take it as zeros."""
    end = file.seek(0, 2)
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    needed = prod((page.imagelength, page.imagewidth, page.samplesperpixel, page.bitspersample // 8))
    short = page.compression == UNCOMPRESSED and sum(size for _, size in parts) < needed
    if short or not parts or any(not start or not size or start + size > end for start, size in parts):
        raise Unusable("the image cannot be read: a part of its pixels is missing", REPLACE)


def _as_pixels(array: np.ndarray[Any, Any], page: Any) -> Values:
    """Return the array of a page as [H, W, C] in this machine's byte order, and 0 as black."""
    separate = page.planarconfig == 2 and page.samplesperpixel > 1
    pixels = np.moveaxis(array, 0, -1) if separate else array
    shape = (page.imagelength, page.imagewidth, page.samplesperpixel)
    kind = "float" if page.sampleformat == FLOATING_POINT else "uint"
    found: Values = pixels.reshape(shape).astype(f"{kind}{page.bitspersample}")
    if page.photometric == WHITE_IS_ZERO:
        found[..., 0] = np.iinfo(found.dtype).max - found[..., 0]
    return found


def _with_plain_alpha(pixels: Values, page: Any) -> Values:
    """Return the pixels with alpha as it is. Raises Unusable for transparent colors that were multiplied by it."""
    if tuple(page.extrasamples) != (PREMULTIPLIED,):
        return pixels
    if (pixels[..., -1] != np.iinfo(pixels.dtype).max).any():
        raise Unusable(
            "the image has transparent pixels, whose colors are multiplied by alpha (ExtraSamples is 1)",
            "save the files without alpha, or with unassociated alpha",
        )
    return pixels[..., :-1]


def _name(value: object) -> str:
    """The name of a value of a tag, or its number if tifffile does not know it."""
    return str(getattr(value, "name", value))
