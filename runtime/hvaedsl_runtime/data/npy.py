"""One's own images as .npy files, mapped into memory and not read at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import ArrayImages, ImageSet, Split, checked, image_set
from hvaedsl_runtime.data.places import not_found, places
from hvaedsl_runtime.data.splits import partition, partition_in_three


def npy(spec: DataSpec, split: Split) -> ImageSet:
    """A folder with train.npy, test.npy and perhaps validation.npy, or a single .npy file; uint8 [N, H, W, C].

    Without validation.npy, `data.validation` images of train.npy are held out; with it, train.npy is for training
    whole. Of a single file, a tenth of the images is the test set and `data.validation` more are the validation set.
    Splits are drawn by `split_seed`. Raises RunError (4) for missing files and for what does not fit the spec.
    """
    for place in places(spec):
        if place.is_file():
            images = open_npy(place, spec)
            return image_set(spec, split, images, partition_in_three(len(images), spec)[split])
        if (place / "train.npy").is_file():
            return _from_folder(place, spec, split)
    shape = f"[N, {spec.resolution}, {spec.resolution}, {spec.channels}]"
    raise not_found(spec, "train.npy and test.npy, or one .npy file", f"save uint8 arrays of shape {shape} there")


def has_validation_file(spec: DataSpec) -> bool:
    """Whether validation images lie in a file of their own."""
    for place in places(spec):
        if place.is_file():
            return False
        if (place / "train.npy").is_file():
            return (place / "validation.npy").is_file()
    return False


def _from_folder(folder: Path, spec: DataSpec, split: Split) -> ImageSet:
    if not (folder / "test.npy").is_file():
        raise DataNotFound(
            f"{folder}: found train.npy, wanted test.npy beside it",
            help="set data.path to the .npy file itself, and a test set is held out of it",
        )
    own_file = (folder / "validation.npy").is_file()
    if split == "test" or (split == "validation" and own_file):
        images = open_npy(folder / f"{split}.npy", spec)
        return image_set(spec, split, images, np.arange(len(images)))
    images = open_npy(folder / "train.npy", spec)
    members = np.arange(len(images)) if own_file else partition(len(images), spec)[split]
    return image_set(spec, split, images, members)


def open_npy(path: Path, spec: DataSpec) -> ArrayImages:
    """Map one .npy file. Raises RunError (4) where it is no such file, or its array does not fit the spec."""
    try:
        pixels = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise InvalidData(
            f"{path}: found no readable .npy array ({error}), wanted uint8 [N, H, W, C]",
            help="save the images with numpy.save",
        ) from error
    return checked(pixels, spec, str(path))
