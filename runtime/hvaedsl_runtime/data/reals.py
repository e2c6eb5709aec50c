"""Images of real values: float32 arrays without a value that is not finite, and the statistics of their channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hvaedsl.diagnostics.errors import InvalidData
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.array_conversion import conversion
from hvaedsl_runtime.data.file_array import FileArray
from hvaedsl_runtime.data.images import (
    VALUES_PER_CHUNK,
    ArrayImages,
    Images,
    ImageSet,
    Indices,
    array_images,
    batches_of,
    check_shape,
    images_at_a_time,
)

Reals = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]

# Pictures show these quantiles of the training images as black and white.
SHOWN_QUANTILES = (0.005, 0.995)


@dataclass(frozen=True, slots=True)
class RealImages:
    """Images in one array of floats [N, H, W, C], in memory or in a file; `place` names it in messages."""

    source: ArrayImages
    place: str

    def __len__(self) -> int:
        return len(self.source)

    def read(self, indices: Indices) -> Reals:
        """Return the images at `indices`, float32 [B, H, W, C]. Raises InvalidData as `as_reals` does."""
        return as_reals(self.source.read(indices), indices, self.place)


def as_reals(values: npt.NDArray[Any], indices: Sequence[int] | Indices, place: str) -> Reals:
    """Convert images of floats [B, H, W, C] to float32; `indices` are those of the images, for messages.

    Raises InvalidData, with the index, for a value that is NaN or infinite, or beyond the range of float32.
    """
    with np.errstate(over="ignore"):
        found: Reals = values.astype(np.float32)
    for image in np.flatnonzero(~np.isfinite(found).all(axis=(1, 2, 3)))[:1].tolist():
        reason, way_out = not_finite(values[image], found[image])
        raise InvalidData(f"{place}, image {indices[image]}: {reason}", help=way_out)
    return found


def not_finite(values: npt.NDArray[Any], found: Reals) -> tuple[str, str]:
    """Say which value of an image [H, W, C] is not finite in float32, as it is in `found`; and the way out."""
    row, column, channel = np.argwhere(~np.isfinite(found))[0].tolist()
    value = values[row, column, channel]
    where = f"the value at row {row}, column {column}, channel {channel} is {value:g}"
    if np.isfinite(value):
        return (
            f"{where}, beyond the range of float32 ({np.finfo(np.float32).max:.2g})",
            "divide the values by a constant, in all files; the density is then that of the new unit",
        )
    return f"{where}; it must be finite", "replace the value, or leave out the image"


def images_of_array(
    values: npt.NDArray[Any] | FileArray, spec: DataSpec, place: str, *, trained: bool = False
) -> Images:
    """Check an array of images against the spec: real values, or levels as `array_images` does, also for `trained`.

    Raises InvalidData unless real values are floats [N, height, width, channels] with N > 0, which are all read, in
    chunks of bounded size.
    """
    if not spec.is_real:
        return array_images(values, spec, place, trained=trained)
    check_reals(values, spec, place, trained=trained)
    images = RealImages(ArrayImages(values), place)
    for _ in batches_of(images, np.arange(len(images)), images_at_a_time(spec.shape)):
        pass  # reading checks
    return images


def check_reals(values: npt.NDArray[Any] | FileArray, spec: DataSpec, place: str, *, trained: bool = False) -> None:
    """Raise InvalidData unless an array is one of floats [N, height, width, channels] with N > 0.

    The messages propose no other spec if the model is `trained`.
    """
    expected = f"float32 or float64 [N, {', '.join(map(str, spec.shape))}]"
    if values.dtype.kind != "f":
        converted = conversion(values, spec.shape, None, trained=trained)
        raise InvalidData(
            f"{place}: the array has type {values.dtype} and shape {list(values.shape)}; it must be {expected}, since "
            "data.values is real",
            help=converted if trained else f"for levels, remove `values = real` from the spec; {converted}",
        )
    check_shape(values, spec, expected, place, trained=trained)


class Moments:
    """The mean and the standard deviation of values, added chunk by chunk, in float64.

    `axes` of a chunk are those over which is averaged; the others stay. The squares are those of the distances from the
    mean, so that nothing is lost if the mean is large (Chan, Golub and LeVeque 1979).
    """

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes = axes
        self.count = 0
        self.mean: Numbers = np.zeros(())
        self.squares: Numbers = np.zeros(())

    def add(self, chunk: npt.NDArray[Any]) -> None:
        """Add the values of a chunk."""
        values = chunk.astype(np.float64)
        added = int(np.prod([values.shape[axis] for axis in self.axes]))
        mean = values.mean(axis=self.axes)
        squares = ((values - np.expand_dims(mean, self.axes)) ** 2).sum(axis=self.axes)

        total = self.count + added
        distance = mean - self.mean
        self.squares = self.squares + squares + distance**2 * (self.count * added / total)
        self.mean = self.mean + distance * (added / total)
        self.count = total

    @property
    def std(self) -> Numbers:
        """The standard deviation."""
        return np.sqrt(self.squares / self.count)


class ChannelStatistics(NamedTuple):
    """What is known of each channel of the training images, in the unit of the file."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    shown: tuple[tuple[float, float], ...]  # the values that pictures show as black and as white


def channel_statistics(train: ImageSet) -> ChannelStatistics:
    """Compute the statistics of each channel, in a pass over the images.

    A mean is rounded to float32: the difference of a value near it is then exact in float32.
    Raises InvalidData for a channel that has one value, or hardly more.
    """
    moments = Moments(axes=(0, 1, 2))
    low, high = np.full(train.shape[2], np.inf), np.full(train.shape[2], -np.inf)
    for chunk in train.chunks():
        moments.add(chunk)
        low, high = np.minimum(low, chunk.min(axis=(0, 1, 2))), np.maximum(high, chunk.max(axis=(0, 1, 2)))

    std = moments.std
    constant = np.flatnonzero((low == high) | (std < np.finfo(np.float32).tiny))
    if len(constant):
        channel = int(constant[0])
        least, most = float(low[channel]), float(high[channel])
        what = f"the value {least:g} everywhere" if least == most else f"only values from {least:g} to {most:g}"
        raise InvalidData(
            f"{train.name}: in the training images, channel {channel} has {what}; values are divided by their standard "
            "deviation",
            help="leave the channel out of the files, and correct data.channels",
        )
    mean = moments.mean.astype(np.float32)
    return ChannelStatistics(tuple(mean.tolist()), tuple(std.tolist()), _shown_ranges(train, low, high))


def _shown_ranges(train: ImageSet, low: Numbers, high: Numbers) -> tuple[tuple[float, float], ...]:
    """The range of values that pictures show, for each channel, from images that are spread evenly over the split.

    It is that of the quantiles; of a channel in which they are equal, the lowest and the highest value.
    """
    count = min(len(train), max(1, VALUES_PER_CHUNK // int(np.prod(train.shape))))
    chosen = train.batch(np.linspace(0, len(train) - 1, count).astype(np.int64))
    quantiles = np.quantile(chosen.reshape(-1, train.shape[2]).astype(np.float64), SHOWN_QUANTILES, axis=0)
    differ = quantiles[0] < quantiles[1]
    shown = np.where(differ, quantiles, np.stack((low, high)))
    return tuple((black, white) for black, white in shown.T.tolist())
