"""Custom datasets: a Python callable, named in a spec, that gives the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from hvaedsl.custom.importing import CustomPartError, error_summary, import_custom
from hvaedsl.diagnostics.errors import InvalidData
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import ImageSet, Indices, Split, Values, array_images, image_set
from hvaedsl_runtime.data.reals import as_reals, check_reals
from hvaedsl_runtime.data.splits import partition
from hvaedsl_runtime.data.torch_dataset import TorchImages, refuse_bare


class Indexable(Protocol):
    """Images in a fixed order: a numpy array, a memory map, or an object that reads images on demand."""

    def __len__(self) -> int:
        """Number of images."""
        ...

    def __getitem__(self, indices: Indices) -> npt.NDArray[np.generic]:
        """Return the images at `indices`, uint8, uint16 or floats [B, H, W, C], in that order."""
        ...


class CustomDataset(Protocol):
    """A custom dataset; `split` is train or test, and `path` is `data.path`, or None if the spec has none."""

    def __call__(self, split: str, path: str | None) -> Indexable | Dataset[Any]:
        """Return the images of a split."""
        ...


@dataclass(frozen=True)
class CustomImages:
    """Images of a custom dataset; each batch that it returns is checked against the spec.

    `trained` as for `array_images`.
    """

    source: Indexable
    spec: DataSpec
    trained: bool = False

    def __len__(self) -> int:
        return len(self.source)

    def read(self, indices: Indices) -> Values:
        """Return the images at `indices`, uint8, uint16 or float32 [B, H, W, C].

        Raises InvalidData if reading fails, or if the images do not fit the spec.
        """
        place = f"{self.spec.dataset}, images {indices[:3].tolist()}..."
        try:
            found = np.asarray(self.source[indices])
        except Exception as error:
            raise InvalidData(f"{place}: cannot be read: {error_summary(error)}") from error
        if len(found) != len(indices):
            raise InvalidData(
                f"{place}: the dataset returned {counted(len(found), 'image')}; {len(indices)} were requested"
            )
        if self.spec.is_real:
            check_reals(found, self.spec, place, trained=self.trained)
            return as_reals(found, indices, self.spec.dataset)
        array_images(found, self.spec, place, trained=self.trained)
        return found


def custom_images(spec: DataSpec, split: Split, *, trained: bool = False) -> ImageSet:
    """Open a split of a custom dataset.

    `data.validation` images are held out of the training images, drawn with `split_seed`. `trained` as for
    `array_images`.
    Raises InvalidData if the callable cannot be imported or fails, or if the images do not fit the spec; DataNotFound
    if the split has no image.
    """
    part = "test" if split == "test" else "train"
    try:
        found = import_custom(spec.dataset)
    except CustomPartError as error:
        raise InvalidData(f"`{spec.dataset}` cannot be used: {error.problem}", help=error.hint) from error
    refuse_bare(found, spec.dataset)
    try:
        source = cast(CustomDataset, found)(part, spec.path)
        count = 0 if isinstance(source, Dataset) else len(source)
    except Exception as error:
        raise InvalidData(
            f"`{spec.dataset}` failed to open its {part} images: {error_summary(error)}",
            help="it is called with the split (train or test) and with data.path; see docs/custom.md",
        ) from error

    # The first image is read now, so that a dataset of the wrong shape fails before training starts.
    if isinstance(source, Dataset):
        items = TorchImages(source, spec, f"{spec.dataset}, {part} images", trained)
        items.check()
        return image_set(spec, split, items, _members(len(items), spec, split))
    images = CustomImages(source, spec, trained)
    if count:
        images.read(np.arange(1))
    return image_set(spec, split, images, _members(count, spec, split))


def _members(count: int, spec: DataSpec, split: Split) -> Indices:
    return np.arange(count) if split == "test" else partition(count, spec)[split]
