"""Opening a split of the data set that a spec names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hvaedsl.diagnostics.errors import InvalidData
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.custom import custom_images
from hvaedsl_runtime.data.digits import digits
from hvaedsl_runtime.data.folder import folder, has_validation_folder
from hvaedsl_runtime.data.images import ImageSet, Split
from hvaedsl_runtime.data.npy import has_validation_file, npy
from hvaedsl_runtime.data.places import not_found
from hvaedsl_runtime.data.prepared import find_prepared
from hvaedsl_runtime.data.torchvision_sets import torchvision_set

# What needs no preparation, and has none.
ALREADY_ARRAYS = ("digits", "npy")


def open_split(spec: DataSpec, split: Split, *, download: bool = False) -> ImageSet:
    """The train, validation or test images of `spec.dataset`; nothing is downloaded unless `download` says so.

    Prepared images come first, mapped into memory; then the published files, of data sets small enough for that. No
    image of one split is in another, but that FFHQ is tested on its validation images; which are in which depends on
    the spec and on the images alone. With several processes on one machine, one of them should open a split with
    `download` before the others do.
    Raises RunError (4): images not found, not as the spec says, or not prepared.
    """
    with _refusals_explained(spec):
        return _open(spec, split, download=download)


def has_validation(spec: DataSpec) -> bool:
    """Whether there are validation images: held out of the training images, or in a file or folder of their own.

    Raises RunError (4) where the system refuses to look.
    """
    with _refusals_explained(spec):
        if is_custom(spec.dataset):
            return spec.validation > 0
        if spec.dataset not in ALREADY_ARRAYS and (prepared := find_prepared(spec)) is not None:
            return spec.validation > 0 or prepared.has_validation
        match spec.dataset:
            case "npy":
                return spec.validation > 0 or has_validation_file(spec)
            case "folder":
                return spec.validation > 0 or has_validation_folder(spec)
            case _:
                return spec.validation > 0


@contextmanager
def _refusals_explained(spec: DataSpec) -> Iterator[None]:
    """Turn what the system says about files into RunError (4)."""
    try:
        yield
    except OSError as error:
        raise InvalidData(
            f"the images of {spec.dataset} cannot be opened: {error}",
            help="check data.path, and that its folders can be read",
        ) from error


def _open(spec: DataSpec, split: Split, *, download: bool) -> ImageSet:
    if is_custom(spec.dataset):
        return custom_images(spec, split)
    if spec.dataset not in ALREADY_ARRAYS and (prepared := find_prepared(spec)) is not None:
        return prepared.split(spec, split)
    match spec.dataset:
        case "digits":
            return digits(spec, split)
        case "mnist" | "fashion_mnist" | "cifar10":
            return torchvision_set(spec, split, download=download)
        case "npy":
            return npy(spec, split)
        case "folder":
            return folder(spec, split)
    raise not_found(
        spec,
        f"prepared images: {spec.dataset}/manifest.json, or manifest.json itself",
        f"hvaedsl data prepare {spec.dataset} --from PATH makes them out of the published files",
    )
