"""Images of one's own data set: a callable in Python that a spec names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from hvaedsl.custom.importing import CustomPartError, error_summary, import_custom
from hvaedsl.diagnostics.errors import InvalidData
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import ImageSet, Indices, Pixels, Split, checked, image_set
from hvaedsl_runtime.data.splits import partition


class Indexable(Protocol):
    """Images in a fixed order: a numpy array, a memory map, or an object that reads what it is asked for."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, indices: Indices) -> npt.NDArray[np.generic]:
        """The images at these indices, uint8 [B, H, W, C], in their order."""
        ...


class OwnDataset(Protocol):
    """One's own data set: `split` is train or test; `path` is `data.path`, and None where the spec has none."""

    def __call__(self, split: str, path: str | None) -> Indexable:
        """The images of a split."""
        ...


@dataclass(frozen=True)
class OwnImages:
    """Images that an object of one's own reads; what it gives is held against the spec, batch by batch."""

    source: Indexable
    spec: DataSpec

    def __len__(self) -> int:
        return len(self.source)

    def read(self, indices: Indices) -> Pixels:
        """The images at these indices, uint8 [B, H, W, C]. Raises RunError (4) for anything else."""
        place = f"{self.spec.dataset}, images {indices[:3].tolist()}..."
        try:
            found = np.asarray(self.source[indices])
        except Exception as error:
            raise InvalidData(f"{place}: reading them fails: {error_summary(error)}") from error
        if len(found) != len(indices):
            raise InvalidData(f"{place}: {len(indices)} were asked for, {len(found)} were given")
        return checked(found, self.spec, place).pixels


def custom_images(spec: DataSpec, split: Split) -> ImageSet:
    """The split of one's own data set; `data.validation` images are held out of its training images by `split_seed`.

    Raises RunError (4): no such callable, one that fails, or images that do not fit the spec.
    """
    part = "test" if split == "test" else "train"
    try:
        source = cast(OwnDataset, import_custom(spec.dataset))(part, spec.path)
        count = len(source)
    except CustomPartError as error:
        raise InvalidData(f"`{spec.dataset}` cannot be used: {error.problem}", help=error.hint) from error
    except Exception as error:
        raise InvalidData(
            f"`{spec.dataset}` gives no {part} images: {error_summary(error)}",
            help="it is called with the split, train or test, and with data.path; see docs/custom.md",
        ) from error
    images = OwnImages(source, spec)
    if count:
        images.read(np.arange(1))
    return image_set(spec, split, images, np.arange(count) if split == "test" else partition(count, spec)[split])
