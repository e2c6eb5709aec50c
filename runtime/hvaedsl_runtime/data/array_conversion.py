"""The line of numpy that makes images of an array of another type or shape."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from hvaedsl_runtime.data.file_array import FileArray
from hvaedsl_runtime.data.levels import EIGHT_BIT_LEVELS, dtype_of

# Images whose values are read to guess their range; reading all of a large file would take minutes.
EXAMINED = 256


def conversion(
    found: npt.NDArray[Any] | FileArray, shape: tuple[int, int, int], levels: int | None, *, trained: bool = False
) -> str:
    """Return the way out for an array that is not [N, *shape] of levels: a line of numpy, as far as one is known.

    `levels` is None for real values. No other spec is proposed if the model is `trained`.
    """
    if found.dtype.names is not None:
        field = f'images["{found.dtype.names[0]}"]'
        return f"with `images` the array, save the field with the pixels, for example `{field}`"
    if not found.shape:
        return f"save the images themselves, an array of the shape [N, {', '.join(map(str, shape))}]"
    reshaped = _to_shape(found.shape, shape)
    if not trained and (swapped := _swapped(found.shape, shape)) is not None:
        return swapped
    if reshaped is None and (gray := _as_gray(found.shape, shape)) is not None:
        # Equal channels of real values would have a density without bound.
        repeated = f"images{gray}.repeat({shape[2]}, axis=-1)"
        colored = None if levels is None else _to_levels(found, repeated, levels)
        ways = [] if trained else ["set data.channels to 1"]
        ways += [_saving(colored)] if colored else []
        return f"the images have one channel: {', or '.join(ways) or f'give images of {shape[2]} channels'}"
    if reshaped is None and found.shape[3:] == shape[2:]:
        return f"{'' if trained else 'correct data.resolution, or '}give images of the shape {list(shape)}"
    if reshaped is None:
        other = f"give images of the shape {list(shape)}" if trained else "correct data.resolution and data.channels"
        return f"put the channel axis last, for gray images too, or {other}"

    if levels is None:
        return _saving(_to_reals(found, f"images{reshaped}"))
    converted = _to_levels(found, f"images{reshaped}", levels)
    if converted is None and found.dtype == np.uint8 and not trained:
        fewer = f"set data.levels to at most {EIGHT_BIT_LEVELS}"
        return f"uint8 has levels from 0 to 255: {fewer}, or save the images as {dtype_of(levels)}"
    if converted is None:
        return f"save the images as {dtype_of(levels)}, with levels from 0 to {levels - 1}"
    return _saving(converted)


def _saving(converted: str) -> str:
    return f"with `images` the array, save `{converted}` with numpy.save"


def _to_reals(found: npt.NDArray[Any] | FileArray, images: str) -> str:
    """Return the expression that makes floats of `images`."""
    return images if found.dtype.kind == "f" else f'{images}.astype("float32")'


def _swapped(found: tuple[int, ...], shape: tuple[int, int, int]) -> str | None:
    """Return the way out for images whose height and width are those of the spec, exchanged; None for others."""
    height, width, channels = shape
    if height == width or found[1:] not in ((width, height, channels), (channels, width, height), (width, height)):
        return None
    return f"the images are {width} high and {height} wide: set data.resolution to ({width}, {height})"


def _to_shape(found: tuple[int, ...], shape: tuple[int, int, int]) -> str | None:
    """Return the operation that makes [N, H, W, C] of a shape; empty if it has that shape, None if it is not known."""
    height, width, channels = shape
    if found[1:] == shape:
        return ""
    if found[1:] == (channels, height, width):
        return ".transpose(0, 2, 3, 1)"
    if found[1:] == (height, width) and channels == 1:
        return "[..., None]"
    if found == shape:
        return "[None]"
    if len(found) == 2 and found[1] == prod(shape):
        return f".reshape(-1, {height}, {width}, {channels})"
    return None


def _as_gray(found: tuple[int, ...], shape: tuple[int, int, int]) -> str | None:
    """Return the operation that puts the one channel of such images last; None for images of another form."""
    height, width, _ = shape
    operations = {(height, width): "[..., None]", (height, width, 1): "", (1, height, width): ".transpose(0, 2, 3, 1)"}
    return operations.get(found[1:])


def _to_levels(found: npt.NDArray[Any] | FileArray, images: str, levels: int) -> str | None:
    """Return the expression that makes levels of `images`; None if the range of the values is not a usual one."""
    dtype = dtype_of(levels)
    if found.dtype == dtype:
        return images
    if found.dtype == np.uint8 and dtype == np.uint16:
        return None  # 8 bits have no more than 256 levels
    if found.dtype.kind == "b":
        return f'({images} * {levels - 1}).astype("{dtype}")'
    sample = np.asarray(found[:EXAMINED])
    if found.dtype.kind not in "iuf" or not sample.size:
        return None
    if not np.isfinite(sample).all():
        return None

    low, high = float(sample.min()), float(sample.max())
    if found.dtype.kind in "iu" or (high > 1 and (sample == np.round(sample)).all()):
        if low >= 0 and high < levels:
            return f'{images}.astype("{dtype}")'
        if found.dtype.newbyteorder("=") == np.uint16 and levels == EIGHT_BIT_LEVELS:
            return f'({images} / 257).round().astype("{dtype}")'
        return None
    if low >= 0 and high <= 1:
        return f'({images} * {levels - 1}).round().astype("{dtype}")'
    if low >= -1 and high <= 1:
        return f'(({images} + 1) * {(levels - 1) / 2:g}).round().astype("{dtype}")'
    return None
