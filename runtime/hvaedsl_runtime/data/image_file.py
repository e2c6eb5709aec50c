"""One image file: converted to gray or RGB, or its channels as stored; or refused with a reason and a way out.

See docs/data.md.
"""

from __future__ import annotations

import re
import struct
import warnings
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageChops, UnidentifiedImageError

from hvaedsl.diagnostics.numbers import counted
from hvaedsl.diagnostics.printable import joined
from hvaedsl.ir.data_spec import MOST_FILE_CHANNELS
from hvaedsl.ir.image_size import size_text
from hvaedsl_runtime.data.exif import exif_of
from hvaedsl_runtime.data.fitting import GIVE_BACKGROUND, GIVE_CHANNELS, GIVE_FIT, TO_GRAY, Change, Color, Fit, Fitting
from hvaedsl_runtime.data.images import Pixels, Values
from hvaedsl_runtime.data.levels import EIGHT_BIT_LEVELS, NO_LEVELS
from hvaedsl_runtime.data.png_file import HEADER_END, PngHeader, check_all_rows
from hvaedsl_runtime.data.problems import REPLACE, Unusable, too_many_pixels
from hvaedsl_runtime.data.sixteen_bits import Picture, check_depth, levels_of, png_pixels
from hvaedsl_runtime.data.stored_channels import fitted_as_stored, takes_stored
from hvaedsl_runtime.data.tiff_file import SIGNATURES, tiff_picture
from hvaedsl_runtime.disk.foreign_content import GIT_LFS, foreign_content

# Formats by Pillow's names; a file is read as what it is, whatever its suffix says.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "DIB")
# The channels that they are read as: gray and RGB, or two and four as a file has them.
FILE_CHANNELS = tuple(range(1, MOST_FILE_CHANNELS + 1))
GRAY_MODES = ("1", "L", "LA", "La")
COLOR_MODES = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX")
# Those whose values are the channels of the file.
STORED_MODES = ("L", "LA", "RGB", "RGBA")
# Pillow raises these for truncated or altered files; struct.error and TypeError come from its reader of metadata.
UNREADABLE = (OSError, ValueError, TypeError, SyntaxError, struct.error)
# Pillow decodes up to twice the size that it warns of: 178,956,970 pixels, for which this process was measured to need
# up to 1.5 GiB.
PIXELS = re.compile(r"\((\d+) pixels\)")

# Pillow's warnings about large images, and about damaged EXIF data and the like, by category and module.
SILENT = ((Image.DecompressionBombWarning, ""), (UserWarning, r"PIL\."))

TO_PNG = "convert the files to PNG"
SAVE_REALS = 'save real values as TIFF files of floats, `tifffile.imwrite(OUT, image.astype("float32"))`'
# What Pillow does not open and is intact: where a signature is in the file, the signature, and what the content is.
OTHER_FORMATS = (
    (4, b"ftyp", "HEIC, AVIF or a video"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"JXL ", "JPEG XL"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (8, b"AVI ", "a video"),
    (0, b"%PDF", "PDF"),
)
# Pillow names one of its limits on metadata: those of a chunk, and of all of them (MAX_TEXT_CHUNK, MAX_TEXT_MEMORY).
METADATA_LIMIT = "MAX_TEXT_"


def decode(
    file: BinaryIO,
    channels: int,
    fitting: Fitting,
    fit: Fit,
    *,
    upright: bool = True,
    levels: int = EIGHT_BIT_LEVELS,
    was_read: bool = False,
) -> tuple[Values, Change]:
    """Decode an image as gray (1 channel) or RGB (3), and fit it. Returns uint8 [H, W, channels] and the changes.

    For more than 256 levels, only files of 16 bits are read, and give uint16 [H, W, channels]; for NO_LEVELS, TIFF
    files of floats, which give float32. Real values, and two or four channels, are taken as the file has them. The
    orientation of EXIF or TIFF is applied if `upright` is set. A file that `was_read` before is not searched for
    missing rows again, because some files are decompressed twice for that.
    Raises Unusable for a file that is damaged, of another format, of another depth, too large to be decoded, or that
    would lose something that `fitting` does not allow; UsageError for TIFF without tifffile. Raises OSError if the
    system refuses to read the file.
    """
    _silence_warnings()
    try:
        start = file.read(HEADER_END)
        file.seek(0)
        if start.startswith(SIGNATURES):
            picture = tiff_picture(file, channels, levels)
            picture = picture.upright() if upright else picture
            if takes_stored(channels, levels):
                return _as_stored(picture, channels, levels, fit)
            if levels > EIGHT_BIT_LEVELS:
                return levels_of(picture, channels, levels, fitting, fit)
            plain = picture.pixels[..., 0] if picture.pixels.shape[-1] == 1 else picture.pixels
            return _eight_bits(Image.fromarray(plain), None, channels, fitting, fit, picture.changes)

        png = PngHeader.of(start)
        depth = None if png is None else png.depth
        with Image.open(file) as image:
            _check_kind(image, depth, levels)
            changes = Change.DECODED
            if image.info.get("icc_profile"):
                changes |= Change.PROFILE_IGNORED
            if image.format == "MPO" and getattr(image, "n_frames", 1) > 1:
                changes |= Change.FURTHER_PICTURES_IGNORED

            colors = _palette_colors(image)
            image.load()
            if png is not None and not was_read:
                check_all_rows(file, image, png)
            if colors is not None:
                _check_palette(image, colors)

            exif = exif_of(image)
            changes |= Change.EXIF_DAMAGED if exif.damaged else Change(0)
            is_stored = takes_stored(channels, levels)
            if is_stored:
                image.info.pop("transparency", None)  # a color that is transparent is no channel
            if png is not None and levels > EIGHT_BIT_LEVELS:
                pixels = png_pixels(file, image, png.color_type)
                picture = Picture(pixels, exif.orientation, changes).upright()
                if is_stored:
                    return _as_stored(picture, channels, levels, fit)
                return levels_of(picture, channels, levels, fitting, fit)

            turned: Image.Image = image
            if exif.orientation != 1:
                turned = exif.upright(image) if upright else image
                changes |= Change.ROTATED if upright else Change.ORIENTATION_IGNORED
            if is_stored:
                return _as_stored(Picture(_stored_pixels(turned), 1, changes), channels, levels, fit)
            return _eight_bits(turned, depth, channels, fitting, fit, changes)
    except Image.DecompressionBombError as error:
        raise _too_large(error) from error
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.errno is not None:  # Pillow's own errors have no number
            raise
        reason, remedy = _reason(error, file)
        raise Unusable(f"the image cannot be read: {reason}", remedy) from error


def _as_stored(picture: Picture, channels: int, levels: int, fit: Fit) -> tuple[Values, Change]:
    """Fit an upright picture whose channels are taken as the file has them."""
    fitted, reshaped = fitted_as_stored(picture.pixels, channels, levels, fit)
    return fitted, picture.changes | reshaped


def _stored_pixels(image: Image.Image) -> Pixels:
    """The channels of an image, uint8 [H, W, C], alpha too; a palette is replaced by its colors."""
    if image.mode not in STORED_MODES:
        image = image.convert("L" if image.mode in GRAY_MODES else "RGB")
    return np.asarray(image).reshape(image.height, image.width, len(image.getbands()))


def _eight_bits(
    image: Image.Image, depth: int | None, channels: int, fitting: Fitting, fit: Fit, changes: Change
) -> tuple[Pixels, Change]:
    """Convert an upright image of 8 bits per channel, and fit it."""
    opaque, composited = _opaque(image, depth, fitting.background)
    converted, recolored = _in_channels(opaque, channels, allow_gray=fitting.gray)
    fitted, reshaped = fit(converted)
    pixels = np.asarray(fitted, dtype=np.uint8).reshape(fitted.height, fitted.width, channels)
    return pixels, changes | composited | recolored | reshaped


def fit_to(height: int, width: int, fitting: Fitting) -> Fit:
    """Make the fit to height x width: the largest center of this ratio, then a bilinear resize, as far as allowed."""

    def fit(image: Image.Image) -> tuple[Image.Image, Change]:
        changes = Change(0)
        if image.width * height != image.height * width:
            if not fitting.crop:
                raise _of_another_ratio(image, height, width)
            # Cropped first, so that the filter sees no pixel outside the window.
            across = max(1, min(image.width, image.height * width // height))
            down = max(1, min(image.height, image.width * height // width))
            left, top = (image.width - across) // 2, (image.height - down) // 2
            image = image.crop((left, top, left + across, top + down))
            changes |= Change.CROPPED

        if image.size != (width, height):
            if not fitting.resize:
                cropped = ", after cropping," if changes else ""
                raise Unusable(
                    f"the image{cropped} is {size_text(image.height, image.width)}; "
                    f"it must be {size_text(height, width)}",
                    f"resize the files, or allow it with {GIVE_FIT}",
                    of_file="resize the files",
                )
            # Bilinear weights are never negative: no value leaves the range of its neighbors.
            image = image.resize((width, height), Image.Resampling.BILINEAR)
            changes |= Change.RESIZED
        return image, changes

    return fit


def _of_another_ratio(image: Image.Image, height: int, width: int) -> Unusable:
    """Make the error for an image that would have to be cropped; exchanged sides are named."""
    found = f"the image is {image.width} wide and {image.height} high"
    if image.size == (height, width):
        return Unusable(
            f"{found}; {size_text(height, width)} is {height} high and {width} wide",
            f"if all files are like this, write the resolution as height and width: ({width}, {height})",
            of_file="turn or crop the files",
        )
    needed = "it must be square" if height == width else f"it must have the ratio of {height} high to {width} wide"
    return Unusable(f"{found}; {needed}", f"crop the files, or allow it with {GIVE_FIT}", of_file="crop the files")


def _check_kind(image: Image.Image, depth: int | None, levels: int) -> None:
    """Raise Unusable for a format, bit depth, color mode or animation that is not read; nothing is decoded yet."""
    if image.format not in FORMATS:
        raise Unusable(f"the content is {image.format}, which is not read, whatever the suffix", TO_PNG)
    if levels == NO_LEVELS:
        raise Unusable(
            f"the content is {image.format}, which has levels; data.values is real, and files must be TIFF files of "
            "floats",
            f"{SAVE_REALS}, or remove `values = real` from the spec, for levels",
            of_file=SAVE_REALS,
        )
    # Pillow opens 16-bit RGB as 8 bits and clips 16-bit gray, both without a warning.
    check_depth(depth or (32 if image.mode.startswith(("I", "F")) else 8), levels)
    if image.mode not in (*GRAY_MODES, *COLOR_MODES) and depth != 16:
        raise Unusable(
            f"the colors are {image.mode}; they must be gray or RGB",
            "convert the files to RGB with a program that applies color profiles",
        )
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        frames = getattr(image, "n_frames", 1)
        raise Unusable(
            f"the image is an animation of {frames} frames; it must have one", "save one frame of each file as PNG"
        )


def _palette_colors(image: Image.Image) -> int | None:
    """The number of colors in the palette of an opened image, which Pillow extends to 256 when it decodes the pixels.

    None for an image that needs no palette. Raises Unusable if it needs one and has none.
    """
    if image.mode != "P":
        return None
    palette = image.palette
    if palette is None or not palette.palette:
        raise Unusable("the image cannot be read: its palette is missing", REPLACE)
    return len(palette.palette) // len(palette.rawmode or palette.mode)


def _check_palette(image: Image.Image, colors: int) -> None:
    """Raise Unusable for a pixel beyond a palette of this number of colors: Pillow would take it as black."""
    highest = int(np.asarray(image).max())
    if highest >= colors:
        raise Unusable(
            f"the image cannot be read: a pixel has index {highest} in a palette of {counted(colors, 'color')}", REPLACE
        )


def _opaque(image: Image.Image, depth: int | None, background: Color | None) -> tuple[Image.Image, Change]:
    """Return the image in gray or RGB without alpha: dropped if it is opaque everywhere, otherwise composited."""
    plain = "L" if image.mode in GRAY_MODES else "RGB"
    if not image.has_transparency_data:
        return image.convert(plain), Change(0)

    with_alpha = _with_alpha(image, depth)
    if with_alpha.getchannel("A").getextrema()[0] == 255:
        return with_alpha.convert(plain), Change(0)
    if background is None:
        raise Unusable(
            "the image has transparent pixels, and no background is given",
            GIVE_BACKGROUND,
        )

    below = Image.new("RGBA", image.size, (*background, 255))
    return Image.alpha_composite(below, with_alpha).convert("RGB"), Change.COMPOSITED


def _with_alpha(image: Image.Image, depth: int | None) -> Image.Image:
    """Return the image in RGBA, with the alpha that the file gives as a channel, palette entries or a color."""
    key = image.info.get("transparency")
    if image.mode not in ("1", "L") or not isinstance(key, int):
        return image.convert("RGBA")

    # Pillow scales the pixels to 8 bits, but the transparent shade of a PNG file only if it has 1 bit.
    gray = image.convert("L")
    shade = key if image.mode == "1" else key * 255 // (2 ** (depth or 8) - 1)
    gray.putalpha(Image.fromarray(np.where(np.asarray(gray) == shade, 0, 255).astype(np.uint8)))
    return gray.convert("RGBA")


def _in_channels(image: Image.Image, channels: int, *, allow_gray: bool) -> tuple[Image.Image, Change]:
    """Convert an image in gray or RGB to `channels`. Other colors than shades of gray are lost only if allowed."""
    if channels == 3:
        return (image, Change(0)) if image.mode == "RGB" else (image.convert("RGB"), Change.GRAY_TO_COLOR)
    if image.mode == "L":
        return image, Change(0)

    red, green, blue = image.split()
    gray = image.convert("L")
    if ImageChops.difference(red, green).getbbox() is None and ImageChops.difference(green, blue).getbbox() is None:
        return gray, Change(0)
    if not allow_gray:
        raise Unusable(
            "the image is in color, and 1 channel was asked for",
            GIVE_CHANNELS,
            of_file=TO_GRAY,
        )
    return gray, Change.COLOR_TO_GRAY


def _silence_warnings() -> None:
    """Hide Pillow's warnings about the content of images, which name no file: damaged EXIF data is ignored.

    Images that are too large to be decoded become errors. For the whole process, since images are decoded in threads,
    and `warnings.catch_warnings` is not made for them.
    """
    for category, module in SILENT:
        if ("ignore", None, category, re.compile(module) if module else None, 0) not in warnings.filters:
            warnings.filterwarnings("ignore", category=category, module=module)


def _too_large(error: Image.DecompressionBombError) -> Unusable:
    """Make the error for an image that Pillow refuses to decode; only the error says how large it is."""
    stated = PIXELS.search(str(error))
    size = f"{int(stated[1]):,}" if stated else "too many"
    return too_many_pixels(size, 2 * (Image.MAX_IMAGE_PIXELS or 0))


def _reason(error: Exception, file: BinaryIO) -> tuple[str, str]:
    """The reason of an error of Pillow, and the remedy; unknown content is named by its first bytes, if possible."""
    if METADATA_LIMIT in str(error):
        return (
            "its metadata is too large; up to 1 MiB of each text or color profile, and 64 MiB of all texts, are read",
            "save such files again without metadata, for example with ImageMagick: `magick IN -auto-orient -strip OUT`",
        )
    if not isinstance(error, UnidentifiedImageError):
        return joined(error) or type(error).__name__, REPLACE
    file.seek(0)
    start = file.read(64)
    if (foreign := foreign_content(start)) is not None:
        return foreign.what, foreign.help if start.startswith(GIT_LFS) else REPLACE
    if start.startswith(b"\xff\xd8"):
        return "its JPEG header is damaged, or has more than 8 bits per channel", REPLACE
    for place, signature, name in OTHER_FORMATS:
        if start.startswith(signature, place):
            return f"the content is {name}, which is not read", TO_PNG
    return "the content is of no known image format", REPLACE
