"""The dataset `npy`: images in .npy files, mapped into memory and read on demand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import ArrayImages, ImageSet, Split, array_images, image_set
from hvaedsl_runtime.data.places import not_found, places
from hvaedsl_runtime.data.splits import partition, partition_in_three


def npy(spec: DataSpec, split: Split) -> ImageSet:
    """Open a split of train.npy, test.npy and, optionally, validation.npy in one folder, or of a single .npy file.

    Arrays are uint8 [N, H, W, C]. Without validation.npy, `data.validation` images of train.npy are held out; with it,
    all of train.npy is for training. A single file is divided: a tenth of the images are the test set,
    `data.validation` others the validation set. Splits are drawn with `split_seed`.
    Raises DataNotFound for missing files, InvalidData for arrays that do not fit the spec.
    """
    for place in places(spec):
        if place.is_file():
            images = open_npy(place, spec)
            return image_set(spec, split, images, partition_in_three(len(images), spec)[split])
        if (place / "train.npy").is_file():
            return _from_folder(place, spec, split)
    shape = f"[N, {spec.resolution}, {spec.resolution}, {spec.channels}]"
    raise not_found(
        spec, "train.npy and test.npy, or one .npy file", f"save uint8 arrays of shape {shape} in one of these folders"
    )


def has_validation_file(spec: DataSpec) -> bool:
    """Whether there is a file of validation images."""
    for place in places(spec):
        if place.is_file():
            return False
        if (place / "train.npy").is_file():
            return (place / "validation.npy").is_file()
    return False


def _from_folder(folder: Path, spec: DataSpec, split: Split) -> ImageSet:
    if not (folder / "test.npy").is_file():
        raise DataNotFound(
            f"{folder}: found train.npy but no test.npy",
            help="add test.npy, or set data.path to train.npy itself to hold a test set out of it",
        )
    has_file = (folder / "validation.npy").is_file()
    if split == "test" or (split == "validation" and has_file):
        images = open_npy(folder / f"{split}.npy", spec)
        return image_set(spec, split, images, np.arange(len(images)))

    images = open_npy(folder / "train.npy", spec)
    members = np.arange(len(images)) if has_file else partition(len(images), spec)[split]
    return image_set(spec, split, images, members)


def open_npy(path: Path, spec: DataSpec) -> ArrayImages:
    """Map a .npy file into memory. Raises InvalidData if it cannot be read or its array does not fit the spec."""
    try:
        pixels = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise InvalidData(
            f"{path}: not a readable .npy file ({error}); it must hold a uint8 array [N, H, W, C]",
            help="save the images with numpy.save",
        ) from error
    return array_images(pixels, spec, str(path))
