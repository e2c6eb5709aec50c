"""Pictures whose channels are taken as the file has them: two or four channels of levels, and real values.

Nothing is known of the meaning of these channels, so alpha is one of them, and none is converted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from hvaedsl.diagnostics.numbers import counted
from hvaedsl_runtime.data.fitting import ASK_FOR_CHANNELS, GIVE_LEVELS, Change, Fit
from hvaedsl_runtime.data.images import Values
from hvaedsl_runtime.data.levels import EIGHT_BIT_LEVELS, NO_LEVELS, SIXTEEN_BIT_LEVELS
from hvaedsl_runtime.data.problems import Unusable
from hvaedsl_runtime.data.reals import Reals, not_finite

# Images of these have gray, or red, green and blue, as far as they have levels; conversions between them are known.
COLOR_CHANNELS = (1, 3)


def takes_stored(channels: int, levels: int) -> bool:
    """Whether images of this number of channels and levels are taken as the file has them."""
    return levels == NO_LEVELS or channels not in COLOR_CHANNELS


def check_channels(found: int, channels: int) -> None:
    """Raise Unusable unless a file has as many channels as the images of the spec."""
    if found == channels:
        return
    raise Unusable(
        f"the image has {_channels(found)}; it must have {_channels(channels)}",
        f"save the files with {_channels(channels)}, or ask for {_channels(found)}: {ASK_FOR_CHANNELS}",
        of_file=f"save the files with {_channels(channels)}",
    )


def fitted_as_stored(pixels: npt.NDArray[Any], channels: int, levels: int, fit: Fit) -> tuple[Values, Change]:
    """Fit the values of an upright file, [H, W, C], channel by channel: uint8, uint16 or, for NO_LEVELS, float32.

    Raises Unusable for another number of channels and, before a resize could average it away, for a real value that is
    not finite and for a value of 16 bits that is no level.
    """
    check_channels(pixels.shape[-1], channels)
    if levels == NO_LEVELS:
        return fitted_planes(_finite(pixels), fit)
    if levels <= EIGHT_BIT_LEVELS:
        return fitted_planes(pixels, fit)
    check_highest(pixels, levels)
    fitted, changes = fitted_planes(pixels, fit)
    return np.rint(fitted).astype(np.uint16), changes


def check_highest(pixels: npt.NDArray[Any], levels: int) -> None:
    """Raise Unusable for a value of 16 bits that is no level."""
    if (highest := int(pixels.max())) >= levels:
        raise Unusable(
            f"the highest value is {highest}; values must be 0 to {levels - 1} (data.levels = {levels})",
            f"ask for more levels, at most {SIXTEEN_BIT_LEVELS:,}: {GIVE_LEVELS}",
            of_file="give files of lower values",
        )


def fitted_planes(pixels: npt.NDArray[Any], fit: Fit) -> tuple[npt.NDArray[Any], Change]:
    """Fit each channel of [H, W, C] by itself: values of 8 bits as such, others in floating point, without rounding."""
    kind = np.uint8 if pixels.dtype == np.uint8 else np.float32
    planes, changes = [], Change(0)
    for plane in np.moveaxis(pixels, -1, 0):
        image, changes = fit(Image.fromarray(np.ascontiguousarray(plane, dtype=kind)))
        planes.append(np.asarray(image))
    return np.stack(planes, axis=-1), changes


def _finite(values: npt.NDArray[Any]) -> Reals:
    """Real values as float32."""
    with np.errstate(over="ignore"):
        found: Reals = values.astype(np.float32)
    if not np.isfinite(found).all():
        raise Unusable(*not_finite(values, found))
    return found


def _channels(count: int) -> str:
    return counted(count, "channel")
