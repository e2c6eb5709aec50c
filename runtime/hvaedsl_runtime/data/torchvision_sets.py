"""MNIST, Fashion-MNIST and CIFAR-10, read and, where asked to, downloaded by torchvision."""

from __future__ import annotations

import http.client
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import ArrayImages, ImageSet, Pixels, Split, checked, image_set
from hvaedsl_runtime.data.places import not_found, places
from hvaedsl_runtime.data.splits import PartName, members

IDX_FILES = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
CIFAR_FILES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
# What torchvision's readers raise for files that are cut short, altered, or something else.
UNREADABLE = (OSError, RuntimeError, ValueError, AssertionError, LookupError)
NO_DOWNLOAD = (OSError, RuntimeError, EOFError, http.client.HTTPException, tarfile.TarError)
MNIST_PADDING = 2


@dataclass(frozen=True, slots=True)
class Layout:
    """A class of torchvision.datasets, and the files that it reads below its root."""

    reader: str
    folder: str
    files: tuple[str, ...]

    def lies_in(self, root: Path) -> bool:
        """Whether every file is there."""
        return all((root / self.folder / file).is_file() for file in self.files)


LAYOUTS = {
    "mnist": Layout("MNIST", "MNIST/raw", IDX_FILES),
    "fashion_mnist": Layout("FashionMNIST", "FashionMNIST/raw", IDX_FILES),
    "cifar10": Layout("CIFAR10", "cifar-10-batches-py", CIFAR_FILES),
}


def torchvision_set(spec: DataSpec, split: Split, *, download: bool) -> ImageSet:
    """The data set's own test images, or its training images divided by `split_seed`.

    MNIST and Fashion-MNIST are padded with zeros from 28 to 32 pixels. CIFAR-10 is split as openai/vdvae does it.
    Downloads nothing unless `download` says so and no place has the files.
    Raises RunError (4) where files are missing, unreadable, or cannot be downloaded.
    """
    images = torchvision_images(spec, train=split != "test", download=download)
    counts: dict[PartName, int] = {"test" if split == "test" else "train": len(images)}
    _, indices = members(spec, counts, split)
    return image_set(spec, split, images, indices)


def torchvision_images(spec: DataSpec, *, train: bool, download: bool) -> ArrayImages:
    """All training or all test images, in memory. Raises RunError (4) as `torchvision_set` does."""
    layout = LAYOUTS[spec.dataset]
    root = _root(spec, layout, download=download)
    place = f"{root / layout.folder}"
    try:
        pixels = _pixels(_reader(layout)(root, train=train))
    except UNREADABLE as error:
        raise InvalidData(
            f"{place}: the files of {spec.dataset} cannot be read: {error}",
            help="delete that folder and get the files again, with --download for instance",
        ) from error
    return checked(pixels, spec, place)


def _reader(layout: Layout) -> Callable[..., Any]:
    from torchvision import datasets  # a slow import, for these data sets alone

    reader: Callable[..., Any] = getattr(datasets, layout.reader)
    return reader


def _pixels(dataset: Any) -> Pixels:
    """uint8 [N, 32, 32, C] of a torchvision data set, whose `data` is [N, 28, 28] (a tensor) or [N, 32, 32, 3]."""
    pixels: Pixels = np.asarray(dataset.data)
    if pixels.ndim == 3:
        margins = (MNIST_PADDING, MNIST_PADDING)
        return np.pad(pixels, ((0, 0), margins, margins))[..., None]
    return pixels


def _root(spec: DataSpec, layout: Layout, *, download: bool) -> Path:
    """The first place that has the files; else, if asked to, the first place after a download."""
    candidates = list(places(spec))
    for candidate in candidates:
        if layout.lies_in(candidate):
            return candidate
    if not download:
        files = ", ".join(layout.files)
        raise not_found(spec, f"{layout.folder}/ with {files}", "run again with --download to fetch them")
    root = candidates[0]
    try:
        _reader(layout)(root, download=True)
    except NO_DOWNLOAD as error:
        raise DataNotFound(
            f"{spec.dataset} could not be downloaded to {root}: {error}",
            help=f"check the network and that the folder can be written, or put the files into {root / layout.folder}",
        ) from error
    return root
