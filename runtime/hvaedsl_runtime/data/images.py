"""Images that are read by index, one split of them, and checks of their type, shape and levels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData, RunError, UnusableImages
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.ir.data_spec import StoredDataSpec
from hvaedsl.ir.image_size import ImageSize, size_text
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.array_conversion import conversion
from hvaedsl_runtime.data.file_array import FileArray
from hvaedsl_runtime.data.levels import dtype_of, too_many_levels
from hvaedsl_runtime.data.problems import Problems

Split = Literal["train", "validation", "test"]
Pixels = npt.NDArray[np.unsignedinteger[Any]]  # levels: uint8, or uint16
Values = npt.NDArray[Any]  # levels, or real values: float32
Indices = npt.NDArray[np.int64]

# Values held at a time in a pass over a dataset; counting levels needs eight bytes for each.
VALUES_PER_CHUNK = 2**22


class Images(Protocol):
    """Images in a fixed order."""

    def __len__(self) -> int:
        """Number of images."""
        ...

    def read(self, indices: Indices) -> Values:
        """Return the images at `indices`, uint8, uint16 or float32 [B, H, W, C], in that order."""
        ...


@dataclass(frozen=True, slots=True)
class ArrayImages:
    """Images in one array of numbers [N, H, W, C], in memory or in a file."""

    pixels: Values | FileArray

    def __len__(self) -> int:
        return len(self.pixels)

    def read(self, indices: Indices) -> Values:
        """Return the images at `indices`, in the array's type, [B, H, W, C], in that order.

        They are read in ascending order, which is fastest for a file.
        """
        order = np.argsort(indices, kind="stable")
        batch = np.empty((len(indices), *self.pixels.shape[1:]), dtype=self.pixels.dtype)
        batch[order] = self.pixels[indices[order]]
        return batch


@dataclass(frozen=True, slots=True)
class ImageSet:
    """One split of a dataset: `members` are the indices of its images in `images`.

    `shape` is (H, W, C); every value is below `levels`, which is 0 for real values. `level_counts` is the number of
    times that each level occurs in all of `images`, if known. `notes` are lines for the user, about the files of
    all splits. `checksums` are those of the source, if they are known without reading it (`fingerprint.py`).
    """

    name: str
    split: Split
    levels: int
    shape: tuple[int, int, int]
    images: Images
    members: Indices
    level_counts: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()
    checksums: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.members)

    def batch(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> Values:
        """Return the images at `indices` of the split, uint8, uint16 or float32 [B, H, W, C].

        Raises IndexError for an index outside the split, InvalidData for a file that cannot be read.
        """
        return self.images.read(self.members[np.asarray(indices, dtype=np.int64)])

    def chunks(self) -> Iterator[Values]:
        """Yield all images once and in order, in arrays [n, H, W, C] of bounded size.

        Raises UnusableImages at the end, for all image files that cannot be used.
        """
        return batches_of(self.images, self.members, images_at_a_time(self.shape))

    def counted_levels(self) -> npt.NDArray[np.int64]:
        """Count how often each level occurs in the split, int64 [levels].

        Reads every image; or, if `level_counts` is known and the images of other splits are fewer, those. Either way
        gives the same counts. Raises InvalidData if `level_counts` are those of other images.
        """
        if self.level_counts is not None:
            others = np.setdiff1d(np.arange(len(self.images)), self.members)
            if len(others) < len(self):
                rest = replace(self, members=others, level_counts=None)
                counts = np.array(self.level_counts, dtype=np.int64) - rest.counted_levels()
                if counts.min() < 0 or counts.sum() != len(self) * prod(self.shape):
                    raise InvalidData(
                        f"{self.name}: the array does not match its manifest: the manifest counted other images",
                        help="prepare the images again, with --force; `hvaedsl data verify` compares all of them",
                    )
                return counts

        counts = np.zeros(self.levels, dtype=np.int64)
        for chunk in self.chunks():
            counts += np.bincount(chunk.ravel(), minlength=self.levels)
        return counts


def images_at_a_time(shape: tuple[int, int, int], least: int = 1) -> int:
    """The number of images of this shape, (H, W, C), that are held at a time in a pass; at least `least`."""
    return max(least, VALUES_PER_CHUNK // prod(shape))


def batches_of(images: Images, members: Indices, step: int) -> Iterator[Values]:
    """Yield the images at `members` in order, in arrays of `step` images at most.

    Image files that cannot be used do not end the pass: UnusableImages is raised at its end and names all of them.
    """
    problems = Problems()
    for start in range(0, len(members), step):
        try:
            batch = images.read(members[start : start + step])
        except UnusableImages as error:
            problems.merge(error)
            continue
        yield batch
    problems.raise_any()


def image_set(
    spec: DataSpec,
    split: Split,
    images: Images,
    members: Indices,
    level_counts: tuple[int, ...] | None = None,
    notes: tuple[str, ...] = (),
    checksums: Mapping[str, str] | None = None,
) -> ImageSet:
    """Make the split of `images` with the indices `members`. Raises DataNotFound if it has no image."""
    if not len(members):
        raise _empty_split(spec, split, len(images))
    return ImageSet(spec.dataset, split, spec.levels, spec.shape, images, members, level_counts, notes, checksums or {})


def _empty_split(spec: DataSpec, split: Split, images: int) -> RunError:
    """Make the error for a split without an image, out of `images` that are stored together."""
    if split == "validation":
        return DataNotFound(
            f"{spec.dataset} has no validation images; data.validation is {spec.validation}",
            help="set data.validation to the number of training images to hold out",
        )
    found = counted(images, "image")
    return DataNotFound(
        f"{spec.dataset} has no {split} images: a tenth of all (rounded down) is for testing, and there are {found}",
        help="add images, at least 10 in all, or put training and test images into train and test",
    )


def array_images(
    pixels: npt.NDArray[Any] | FileArray, spec: DataSpec, place: str, *, trained: bool = False
) -> ArrayImages:
    """Check an array of images against the spec; `place` names its origin in messages.

    The messages propose no other spec if the model is `trained`.

    Raises InvalidData unless it is [N, height, width, channels] of uint8, or of uint16, with N > 0 and values below
    `levels`. More than 256 levels need uint16.
    """
    shape, least = spec.shape, dtype_of(spec.levels)
    expected = f"{least} [N, {', '.join(map(str, shape))}]"
    if pixels.dtype not in (least, np.uint16):
        found = f"type {pixels.dtype} and shape {list(pixels.shape)}"
        way_out = conversion(pixels, shape, spec.levels, trained=trained)
        if pixels.dtype.kind == "f" and not trained:
            way_out += f"; {as_reals_of(spec)}"
        raise InvalidData(f"{place}: the array has {found}; it must be {expected}", help=way_out)
    check_shape(pixels, spec, expected, place, trained=trained)

    images = ArrayImages(pixels)
    check_levels(images, spec, place, trained=trained)
    return images


def as_reals_of(spec: DataSpec) -> str:
    """The way out for floats that are no levels, if they are meant as real values."""
    if spec.has_levels:
        return "for real values, save them as float32 .npy files, and set data.dataset to npy and data.values to real"
    return "for real values, set data.values to real"


def check_shape(
    pixels: npt.NDArray[Any] | FileArray, spec: DataSpec, expected: str, place: str, *, trained: bool = False
) -> None:
    """Raise InvalidData unless an array is [N, height, width, channels] with N > 0; `expected` says so in messages.

    They propose no other spec if the model is `trained`.
    """
    shape = spec.shape
    if pixels.ndim != 4 or pixels.shape[1:] != shape:
        of_crop = f" (from {spec.size_key})" if isinstance(spec, StoredDataSpec) else ""
        raise InvalidData(
            f"{place}: the array has shape {list(pixels.shape)}; it must be {expected}{of_crop}",
            help=(not trained and _another_crop(pixels.shape, spec))
            or conversion(pixels, shape, spec.levels or None, trained=trained),
        )
    if not len(pixels):
        raise InvalidData(f"{place}: the array has no image; it must be {expected} with N > 0")


def _another_crop(found: tuple[int, ...], spec: DataSpec) -> str:
    """The way out for images of another size than that of the random crop; empty if there is none, or for others."""
    if not isinstance(spec, StoredDataSpec) or len(found) != 4 or found[3] != spec.channels:
        return ""
    size = ImageSize(*found[1:3])
    if size.height >= spec.window_size.height and size.width >= spec.window_size.width:
        return f"set {spec.size_key} to {size}, the size of these images, or give images of its size"
    least = size_text(*spec.window_size)
    return f"give images of its size; a crop of these would be smaller than the model's images, {least}"


def check_levels(images: ArrayImages, spec: DataSpec, place: str, *, trained: bool = False) -> None:
    """Raise InvalidData if a value is not below `levels`; if the type has no such value, none is read."""
    if spec.levels > np.iinfo(images.pixels.dtype).max:
        return
    every = ImageSet(spec.dataset, "train", spec.levels, spec.shape, images, np.arange(len(images)))
    highest = max(int(chunk.max()) for chunk in every.chunks())
    if highest >= spec.levels:
        raise too_many_levels(place, highest, spec.levels, trained=trained)
