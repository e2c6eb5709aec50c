"""Images of 16 bits per channel: PNG files read without loss, and the conversions of pictures to levels.

Pillow opens 16-bit colors as 8 bits, its `convert` clips 16-bit gray at 255, and it rounds twice to resize 16-bit gray.
So colors are read here byte by byte, and conversions and resizes are computed in floating point and rounded once.
"""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from hvaedsl_runtime.data.fitting import GIVE_BACKGROUND, GIVE_CHANNELS, GIVE_LEVELS, TO_GRAY, Change, Fit, Fitting
from hvaedsl_runtime.data.images import Pixels, Values
from hvaedsl_runtime.data.levels import EIGHT_BIT_LEVELS, SIXTEEN_BIT_LEVELS
from hvaedsl_runtime.data.png_file import PNG_GRAY, PNG_GRAY_ALPHA
from hvaedsl_runtime.data.problems import Unusable
from hvaedsl_runtime.data.stored_channels import check_highest, fitted_planes

OPAQUE = SIXTEEN_BIT_LEVELS - 1
# ITU-R 601, as in Pillow: thousandths of red, green and blue in gray.
GRAY = (299, 587, 114)


class Picture(NamedTuple):
    """A decoded image [H, W, C]: uint8 or uint16, gray or RGB, with alpha last if C is 2 or 4; or what a file stores.

    Of channels that are taken as the file has them (`stored_channels.py`), any may be alpha; real values are floats.
    `orientation` is that of EXIF and TIFF, from 1 to 8. `changes` is what was done to the file so far.
    """

    pixels: Values
    orientation: int
    changes: Change

    def upright(self) -> Picture:
        """Apply the orientation."""
        if self.orientation not in range(2, 9):
            return self
        # From 5 on, rows and columns are exchanged; then the rows, the columns or both run backwards.
        pixels = self.pixels.swapaxes(0, 1) if self.orientation > 4 else self.pixels
        if self.orientation in (3, 4, 7, 8):
            pixels = pixels[::-1]
        if self.orientation in (2, 3, 6, 7):
            pixels = pixels[:, ::-1]
        return Picture(pixels, 1, self.changes | Change.ROTATED)


def check_depth(bits: int, levels: int) -> None:
    """Raise Unusable unless files of `bits` bits per channel are read as images of this number of levels."""
    if levels <= EIGHT_BIT_LEVELS and bits > 8:
        convert = "convert the files to 8 bits per channel, for example with ImageMagick: `magick IN -depth 8 OUT`"
        raise Unusable(
            f"the image has {'16' if bits == 16 else 'more than 8'} bits per channel; it must have 8",
            f"{convert}, or ask for {SIXTEEN_BIT_LEVELS:,} levels: {GIVE_LEVELS}",
            of_file=convert,
        )
    if levels > EIGHT_BIT_LEVELS and bits != 16:
        found = "up to 8" if bits <= 8 else "more than 8, but not 16,"
        save = "save the images as PNG or TIFF files of 16 bits"
        raise Unusable(
            f"the image has {found} bits per channel; for {levels:,} levels, it must have 16",
            f"{save}, or ask for {EIGHT_BIT_LEVELS} levels: {GIVE_LEVELS}",
            of_file=save,
        )


def png_pixels(file: BinaryIO, image: Image.Image, color_type: int) -> Pixels:
    """Read a PNG file of 16 bits per channel, uint16 [H, W, C] with alpha last; `image` is the opened file.

    The filters of PNG work on the bytes of a pixel one by one, so Pillow undoes them whatever the bytes mean. It is
    told to take the low bytes as 8-bit channels, and the high ones.
    Raises as Pillow does for a damaged file.
    """
    if color_type == PNG_GRAY:
        return _with_key(np.asarray(image).astype(np.uint16)[..., None], image)
    if color_type == PNG_GRAY_ALPHA:
        four = _bytes(file, "RGBA")
        high, low = four[..., 0::2], four[..., 1::2]
    else:
        high, low = _bytes(file, f"{image.mode};16B"), _bytes(file, f"{image.mode};16L")
    return _with_key((high.astype(np.uint16) << 8 | low).astype(np.uint16), image)


def levels_of(
    picture: Picture, channels: int, levels: int, fitting: Fitting, fit: Fit
) -> tuple[npt.NDArray[np.uint16], Change]:
    """Convert a picture of 16 bits to `channels` and fit it, uint16 [H, W, C]. Returns the changes too.

    A value of the file is a level. Raises Unusable for a value that is none, and for what `fitting` does not allow.
    """
    colors, alpha = picture.pixels, None
    if colors.shape[-1] in (2, 4):
        colors, alpha = colors[..., :-1], colors[..., -1]
    check_highest(colors, levels)  # before a resize, which could average such a value away

    opaque, composited = _composited(colors, alpha, levels, fitting)
    converted, recolored = _in_channels(opaque, channels, allow_gray=fitting.gray)
    fitted, reshaped = fitted_planes(converted, fit)
    return np.rint(fitted).astype(np.uint16), picture.changes | composited | recolored | reshaped


def _bytes(file: BinaryIO, raw_mode: str) -> npt.NDArray[np.uint8]:
    """Decode a PNG file whose pixels are said to be `raw_mode`, of as many bits as they have."""
    file.seek(0)
    with Image.open(file) as image:
        image.tile = [tile._replace(args=raw_mode) for tile in image.tile]
        return np.asarray(image)


def _with_key(pixels: Pixels, image: Image.Image) -> Pixels:
    """Add the alpha of a PNG file that names a transparent color instead of having alpha as a channel."""
    key = image.info.get("transparency")
    if key is None:
        return pixels
    transparent = (pixels == np.array(key, dtype=np.uint16)).all(axis=-1, keepdims=True)
    return np.concatenate((pixels, np.where(transparent, 0, OPAQUE).astype(np.uint16)), axis=-1)


def _composited(colors: Pixels, alpha: Pixels | None, levels: int, fitting: Fitting) -> tuple[Pixels, Change]:
    """Return the colors without alpha: dropped if it is opaque everywhere, otherwise composited on the background."""
    if alpha is None or int(alpha.min()) == OPAQUE:
        return colors, Change(0)
    if fitting.background is None:
        raise Unusable("the image has transparent pixels, and no background is given", GIVE_BACKGROUND)

    below = np.array(fitting.background) * ((levels - 1) / (EIGHT_BIT_LEVELS - 1))
    share = alpha[..., None] / OPAQUE
    return np.rint(colors * share + below * (1 - share)).astype(np.uint16), Change.COMPOSITED


def _in_channels(colors: Pixels, channels: int, *, allow_gray: bool) -> tuple[Pixels, Change]:
    """Convert gray or RGB to `channels`. Other colors than shades of gray are lost only if allowed."""
    if colors.shape[-1] == channels:
        return colors, Change(0)
    if channels == 3:
        return colors.repeat(3, axis=-1), Change.GRAY_TO_COLOR
    if (colors == colors[..., :1]).all():
        return colors[..., :1], Change(0)
    if not allow_gray:
        raise Unusable("the image is in color, and 1 channel was asked for", GIVE_CHANNELS, of_file=TO_GRAY)
    gray = colors.astype(np.int64) @ np.array(GRAY)
    return np.rint(gray / sum(GRAY)).astype(np.uint16)[..., None], Change.COLOR_TO_GRAY
