"""Opening a split of the data set that a spec names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hvaedsl.errors import RunError
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.digits import digits
from hvaedsl_runtime.data.folder import folder, has_validation_folder
from hvaedsl_runtime.data.images import ImageSet, Split
from hvaedsl_runtime.data.npy import has_validation_file, npy
from hvaedsl_runtime.data.torchvision_sets import torchvision_set


def open_split(spec: DataSpec, split: Split, *, download: bool = False) -> ImageSet:
    """The train, validation or test images of `spec.dataset`; nothing is downloaded unless `download` says so.

    No image of one split is in another; which are in which depends on the spec alone. With several processes on one
    machine, one of them should open a split with `download` before the others do.
    Raises RunError (4): images not found, not as the spec says, or of a data set that has no reader.
    """
    with _refusals_explained(spec):
        return _open(spec, split, download=download)


def has_validation(spec: DataSpec) -> bool:
    """Whether there are validation images: held out of the training images, or in a file or folder of their own.

    Raises RunError (4) where the system refuses to look.
    """
    with _refusals_explained(spec):
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
        raise RunError(
            f"the images of {spec.dataset} cannot be opened: {error}",
            help="check data.path, and that its folders can be read",
            exit_code=4,
        ) from error


def _open(spec: DataSpec, split: Split, *, download: bool) -> ImageSet:
    match spec.dataset:
        case "digits":
            return digits(spec, split)
        case "mnist" | "fashion_mnist" | "cifar10":
            return torchvision_set(spec, split, download=download)
        case "npy":
            return npy(spec, split)
        case "folder":
            return folder(spec, split)
    shape = f"[N, {spec.resolution}, {spec.resolution}, {spec.channels}]"
    raise RunError(
        f"there is no reader for {spec.dataset}",
        help=f"lay the images out as train.npy and test.npy, uint8 {shape}, and set data.dataset = npy, "
        f"data.channels = {spec.channels}, data.resolution = {spec.resolution} and data.path",
        exit_code=4,
    )
