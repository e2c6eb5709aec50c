"""How image files are made to fit a model: the options, and a count of what was changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntFlag
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.ir.data_spec import FileFit

Color = tuple[int, int, int]
Changes = npt.NDArray[np.uint16]

# The ways out of a refusal, as options of both commands that read image files.
PREPARE = "`hvaedsl data prepare`"
GIVE_FIT = f"data.fit in a spec, --fit of {PREPARE}"
GIVE_LEVELS = f"data.levels in a spec, --levels of {PREPARE}"
TO_GRAY = f"convert the files to gray with {PREPARE} and --gray"
ASK_FOR_CHANNELS = f"data.channels in a spec, --channels of {PREPARE}"
GIVE_CHANNELS = f"{TO_GRAY}, or ask for 3 channels: {ASK_FOR_CHANNELS}"
GIVE_BACKGROUND = f"composite the files on a background with {PREPARE} and --background white, black or #rrggbb"

BACKGROUNDS: Mapping[str, Color] = MappingProxyType({"white": (255, 255, 255), "black": (0, 0, 0)})


@dataclass(frozen=True, slots=True)
class Fitting:
    """What may be done to an image that does not fit; a file that would need anything else is refused.

    `crop` allows the largest center with the ratio of the model's images, `resize` a bilinear resize of what has this
    ratio, `gray` the conversion of colors to gray.
    Transparent pixels are composited on `background`; None refuses them.
    """

    crop: bool = True
    resize: bool = True
    gray: bool = False
    background: Color | None = None

    @property
    def fit(self) -> FileFit:
        """The value of `data.fit` that allows the same shapes."""
        if self.crop:
            return "crop_resize" if self.resize else "crop"
        return "resize" if self.resize else "refuse"

    def __str__(self) -> str:
        """The conversion of shapes, as a manifest describes it."""
        crop = "cropped to the center if their sides have another ratio" if self.crop else "never cropped"
        resize = "resized bilinearly if they have another size" if self.resize else "never resized"
        return f"{crop}, {resize}"

    @property
    def background_text(self) -> str | None:
        """The background as #rrggbb."""
        return None if self.background is None else "#{:02x}{:02x}{:02x}".format(*self.background)


def fitting_from(fit: FileFit, *, gray: bool = False, background: Color | None = None) -> Fitting:
    """Make the fitting that `data.fit` says, with the further options of `data prepare`."""
    return Fitting(fit in ("crop_resize", "crop"), fit in ("crop_resize", "resize"), gray, background)


def parse_background(text: str) -> Color:
    """Read a background color: white, black or #rrggbb. Raises UsageError for anything else."""
    if (named := BACKGROUNDS.get(text.lower())) is not None:
        return named
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text) is None:
        raise UsageError(f"--background is `{text}`; it must be white, black or #rrggbb (quoted, as '#808080')")
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


class Change(IntFlag):
    """What was done to an image file. DECODED is set for every file that was read."""

    DECODED = 1
    CROPPED = 2
    RESIZED = 4
    ROTATED = 8
    GRAY_TO_COLOR = 16
    COLOR_TO_GRAY = 32
    COMPOSITED = 64
    PROFILE_IGNORED = 128
    FURTHER_PICTURES_IGNORED = 256
    ORIENTATION_IGNORED = 512
    EXIF_DAMAGED = 1024


# Fits an upright image of one channel, or in RGB, to a size, and says what it changed. Raises Unusable.
# One channel is of mode L, or of mode F for 16 bits and for real values.
Fit = Callable[[Image.Image], tuple[Image.Image, Change]]

# Each change as `hvaedsl train` and `data prepare` print it, after the number of files.
_PHRASES: Mapping[Change, str] = MappingProxyType(
    {
        Change.CROPPED: "cropped to the center",
        Change.RESIZED: "resized",
        Change.ROTATED: "rotated upright (EXIF orientation)",
        Change.GRAY_TO_COLOR: "converted from gray to color",
        Change.COLOR_TO_GRAY: "converted from color to gray",
        Change.COMPOSITED: "composited on the background",
        Change.PROFILE_IGNORED: "with an ICC color profile, which is ignored",
        Change.FURTHER_PICTURES_IGNORED: "with several pictures (MPO), of which the first is used",
        Change.ORIENTATION_IGNORED: "with an EXIF orientation, which is ignored",
        Change.EXIF_DAMAGED: "with damaged EXIF data, whose orientation may be lost",
    }
)


def count_changes(changes: Changes) -> dict[str, int]:
    """Count the files with each change; `files` is the number of files that were read. `changes` has one a file."""
    counts = {"files": int(np.count_nonzero(changes & Change.DECODED))}
    for change in _PHRASES:
        assert change.name is not None
        counts[change.name.lower()] = int(np.count_nonzero(changes & change))
    return counts


def changes_text(counts: Mapping[str, int]) -> str:
    """Describe counts made by `count_changes`, such as `3 resized, 1 rotated upright`; empty if nothing was changed."""
    found = ((counts.get((change.name or "").lower(), 0), phrase) for change, phrase in _PHRASES.items())
    return ", ".join(f"{files:,} {phrase}" for files, phrase in found if files)
