"""The levels of pixels: how many fit into 8 and 16 bits, and the types of arrays of them and of real values."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from hvaedsl.diagnostics.errors import InvalidData, RunError

# The number of levels of images of real values.
NO_LEVELS = 0
EIGHT_BIT_LEVELS = 256
SIXTEEN_BIT_LEVELS = 65_536
# The name of the type of an array of levels.
LevelType = Literal["uint8", "uint16"]


def dtype_name(levels: int) -> LevelType:
    """The type of an array of levels: uint8 for up to 256, or uint16."""
    return "uint8" if levels <= EIGHT_BIT_LEVELS else "uint16"


def dtype_of(levels: int) -> np.dtype[Any]:
    """The type of an array of levels, as numpy's; float32 for NO_LEVELS, which real values have."""
    return np.dtype(np.float32 if levels == NO_LEVELS else dtype_name(levels))


def too_many_levels(place: str, highest: int, levels: int, *, trained: bool = False) -> RunError:
    """Make the error for a value that is not below `levels`, which a model that is `trained` keeps."""
    if highest < EIGHT_BIT_LEVELS:
        way_out = "store levels (0, 1, ...) instead of shades of gray (0 to 255)"
    elif levels == EIGHT_BIT_LEVELS:
        way_out = 'scale images of 16 bits, `(images / 257).round().astype("uint8")` with numpy'
    else:
        way_out = "store lower levels"
    return InvalidData(
        f"{place}: the highest value is {highest}; values must be 0 to {levels - 1} (data.levels = {levels})",
        help=way_out if trained else f"correct data.levels, or {way_out}",
    )
