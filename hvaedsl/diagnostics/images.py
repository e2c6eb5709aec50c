"""HV214, HV221, HV222, HV243, HV244, HV261, HV262: what the images are."""

from __future__ import annotations

from hvaedsl.diagnostics.diagnostic import Diagnostic, listing
from hvaedsl.diagnostics.snippet import spec

_OWN = "dataset = npy  channels = 1  resolution = 8"
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


class FileImages(Diagnostic):
    """HV222."""

    code = "HV222"
    title = "`data.channels` is {channels}; images of `dataset = folder` have 1 to 4"
    label = "expected 1 to 4"
    help = "save other images as arrays with numpy{reading}"
    why = (
        "Image files are read as gray, as red, green and blue, or with the two or four channels that they have. Arrays "
        "and your own data sets have 1 to 64 channels."
    )
    bad = spec(data="dataset = folder  channels = 8  resolution = 8")
    good = spec(data="dataset = npy  channels = 8  resolution = 8")

    channels: int

    @property
    def reading(self) -> str:
        """How the spec reads arrays, if its other keys allow them."""
        return f", and {self.proposal}" if self.suggestions else ""


class ShownChannels(Diagnostic):
    """HV243."""

    code = "HV243"
    title = "`sample.channels` is {written}; {problem}"
    label = "expected one channel, or three as red, green and blue"
    help = "the channels of these images are 0 to {last}"
    why = (
        "A picture shows one channel in shades of gray, or three as red, green and blue. Channels are counted from 0. "
        "Without the key, pictures show color images in color, and the first channel of others."
    )
    bad = spec(data="dataset = npy  channels = 4  resolution = 8", rest="sample { channels = 3, 4, 5 }")
    good = spec(data="dataset = npy  channels = 4  resolution = 8", rest="sample { channels = 3, 2, 1 }")

    written: str
    problem: str
    last: int


class FitWithoutFiles(Diagnostic):
    """HV244."""

    code = "HV244"
    title = "`data.fit` is `{fit}`; `dataset = {dataset}` has no image files to fit"
    label = "expected `refuse`"
    help = "remove the key{reading}"
    why = (
        "`data.fit` says what is done to image files of another shape than `data.resolution`. The images of other "
        "data sets have that shape, or are refused."
    )
    bad = spec(data="dataset = npy  channels = 1  resolution = 8  fit = resize")
    good = spec(data="dataset = folder  channels = 1  resolution = 8  fit = resize")

    fit: str
    dataset: str

    @property
    def reading(self) -> str:
        """How the spec reads image files, if its other keys allow them."""
        return "".join(f"; to read image files, {way.title}" for way in self.suggestions)


_RANDOM_CROP = (
    "With `random_crop`, images are stored at a larger size than that of the model's images. Training draws a window "
    "of the model's size from each image at random; statistics, validation and test take the center."
)


class CropBelowImages(Diagnostic):
    """HV261."""

    code = "HV261"
    title = "`train.augment.random_crop` is {crop}, and the model's images are {size}: no window fits into the crop"
    label = "a {side} below that of the images, {least}"
    help = "make it at least {least_crop}, or remove the key"
    why = _RANDOM_CROP
    bad = spec(data=_OWN, rest="train { augment { random_crop = (12, 7) } }")
    good = spec(data=_OWN, rest="train { augment { random_crop = (12, 9) } }")

    crop: str
    size: str
    side: str  # height or width
    least: int
    least_crop: str


class CropOfKnownImages(Diagnostic):
    """HV262."""

    code = "HV262"
    title = "`train.augment.random_crop` is {crop}, but the images of {dataset} are {size}"
    label = "larger than the images"
    help = "remove the key; only your own images can be larger than those of the model"
    why = _RANDOM_CROP + " The images of a named dataset have the model's size, and are not padded."
    bad = spec(rest="train { augment { random_crop = 10 } }")
    good = spec(rest="train { augment { horizontal_flip = true } }")

    crop: str
    dataset: str
    size: str
