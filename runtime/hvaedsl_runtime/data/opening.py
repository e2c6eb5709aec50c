"""Open a split of the dataset that a spec names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.hub import is_hub
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.custom import custom_images
from hvaedsl_runtime.data.digits import digits
from hvaedsl_runtime.data.file_images import FileImages
from hvaedsl_runtime.data.folder import folder, has_validation_folder
from hvaedsl_runtime.data.hub.hub_set import hub_set, hub_split
from hvaedsl_runtime.data.images import ImageSet, Split
from hvaedsl_runtime.data.npy import has_validation_file, npy
from hvaedsl_runtime.data.places import not_found
from hvaedsl_runtime.data.prepared import find_prepared
from hvaedsl_runtime.data.problems import unlisted
from hvaedsl_runtime.data.torchvision_sets import torchvision_set
from hvaedsl_runtime.data.windows import centered, stored_images

# Datasets that are never prepared.
ALREADY_ARRAYS = ("digits", "npy")


# A key of a spec in a way out, or a spec.
OF_SPEC = re.compile(r"\bdata\.\w|\bspec\b|`values = ")


def open_split(
    spec: DataSpec,
    split: Split,
    *,
    size: int | ImageSize | None = None,
    download: bool = False,
    trained: bool = False,
) -> ImageSet:
    """Open the train, validation or test images of `spec.dataset`; download them only if `download` is set.

    `size` is that of the stored images, if it is larger: `train.augment.random_crop`. Their centers are returned.
    Prepared images take precedence, and are read by index; small datasets are also read from their published
    files. The splits are disjoint, except that FFHQ is tested on its validation images, and depend only on the spec and
    the images. If several processes on a machine may download, one of them must open a split before the others.
    `trained` says that the spec is that of a trained model: no message proposes to change it.
    Raises DataNotFound if images are missing or not prepared, InvalidData if they do not fit the spec or cannot be
    read.
    """
    with _read_errors_explained(spec), _spec_kept(split) if trained else nullcontext():
        return centered(_open(spec.stored_at(size), split, download=download, trained=trained), spec.shape)


def has_validation(spec: DataSpec, *, size: int | ImageSize | None = None) -> bool:
    """Whether there are validation images: held out of the training images, or in a separate file or folder.

    `size` is that of the stored images, as for `open_split`: tables are prepared at this size.
    Raises InvalidData if a folder cannot be read.
    """
    with _read_errors_explained(spec):
        if is_custom(spec.dataset):
            return spec.validation > 0
        if is_hub(spec.dataset):
            return spec.validation > 0 or hub_set(spec.stored_at(size)).has_validation
        if spec.dataset not in ALREADY_ARRAYS and (prepared := find_prepared(spec)) is not None:
            return spec.validation > 0 or prepared.has_validation
        match spec.dataset:
            case "npy":
                return spec.validation > 0 or has_validation_file(spec)
            case "folder":
                return spec.validation > 0 or has_validation_folder(spec)
            case _:
                return spec.validation > 0


def remarks(images: ImageSet) -> tuple[str, ...]:
    """Return lines about the files of a split: what of them is not taken, and what was changed in those that were read.

    The changes of raw image files are known only after all of the split were read, as `preparation` does.
    """
    found = list(images.notes)
    files = stored_images(images).images
    if isinstance(files, FileImages) and (changes := files.changes_of(images.members)):
        split = "training" if images.split == "train" else images.split
        found.append(f"{counted(len(images), f'{split} image')}: {changes}")
    return tuple(found)


@contextmanager
def _read_errors_explained(spec: DataSpec) -> Iterator[None]:
    """Turn the system's errors on reading files into InvalidData."""
    try:
        yield
    except OSError as error:
        raise unlisted(error, what=f"the images of {spec.dataset}: ") from error


@contextmanager
def _spec_kept(split: Split) -> Iterator[None]:
    """Replace a way out that changes the spec, of which only the author of a new run is free."""
    try:
        yield
    except (DataNotFound, InvalidData) as error:
        if not OF_SPEC.search(error.help):
            raise
        other = "" if split == "test" else ", or take another split"
        way_out = f"the spec of a trained run stays as it is: give the images that it was trained on{other}"
        raise error.reworded(str(error), way_out) from error


def _open(spec: DataSpec, split: Split, *, download: bool, trained: bool) -> ImageSet:
    if is_custom(spec.dataset):
        return custom_images(spec, split, trained=trained)
    if is_hub(spec.dataset):
        return hub_split(spec, split)
    if spec.dataset not in ALREADY_ARRAYS and (prepared := find_prepared(spec)) is not None:
        return prepared.split(spec, split)

    match spec.dataset:
        case "digits":
            return digits(spec, split)
        case "mnist" | "fashion_mnist" | "cifar10":
            return torchvision_set(spec, split, download=download)
        case "npy":
            return npy(spec, split, trained=trained)
        case "folder":
            return folder(spec, split, trained=trained)
    raise not_found(
        spec,
        f"prepared images, {spec.dataset}/manifest.json or manifest.json",
        f"run `hvaedsl data prepare {spec.dataset} --from PATH` on the published files",
    )
