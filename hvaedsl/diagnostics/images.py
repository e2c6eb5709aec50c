"""HV214, HV221, HV222: the shape of the images."""

from __future__ import annotations

from hvaedsl.diagnostics.diagnostic import Diagnostic, listing
from hvaedsl.diagnostics.snippet import spec

_KNOWN_SHAPES = "A named dataset has a fixed resolution, number of channels and number of levels."


class MissingShape(Diagnostic):
    """HV214."""

    code = "HV214"
    title = "`dataset = {dataset}` needs {keys}"
    label = "has no fixed image shape"
    help = "{example}"
    why = _KNOWN_SHAPES + " For your own images (npy, folder) the spec gives them, since compiling opens no file."
    bad = spec(data="dataset = npy")
    good = spec(data="dataset = npy  channels = 1  resolution = 8")

    dataset: str
    missing: tuple[str, ...]  # keys of `data`

    @property
    def keys(self) -> str:
        """The missing keys with their section."""
        return listing((f"`data.{key}`" for key in self.missing), "and")


class ShapeMismatch(Diagnostic):
    """HV221."""

    code = "HV221"
    title = "`data.{key}` is {value}, but the images of {dataset} have {expected}"
    label = "expected {expected}"
    help = "remove the key; it follows from the dataset"
    why = _KNOWN_SHAPES + " The spec may repeat them, but training does not resize or convert images."
    bad = spec(data="dataset = digits  channels = 3")
    good = spec(data="dataset = digits")

    key: str
    value: int | tuple[int, int]
    dataset: str
    expected: int


class InvalidChannels(Diagnostic):
    """HV222."""

    code = "HV222"
    title = "`data.channels` is 2; it must be 1 or 3"
    label = "expected 1 or 3"
    help = "grayscale images have 1 channel, color images 3"
    why = "The likelihoods are defined for grayscale and for color images."
    bad = spec(data="dataset = npy  channels = 2  resolution = 8")
    good = spec(data="dataset = npy  channels = 1  resolution = 8")
