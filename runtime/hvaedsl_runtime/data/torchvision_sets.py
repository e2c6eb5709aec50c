"""MNIST, Fashion-MNIST and CIFAR-10, read and optionally downloaded by torchvision."""

from __future__ import annotations

import http.client
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData
from hvaedsl.diagnostics.printable import joined
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import ArrayImages, ImageSet, Pixels, Split, array_images, image_set
from hvaedsl_runtime.data.places import not_found, places
from hvaedsl_runtime.data.splits import PartName, members

IDX_FILES = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
CIFAR_FILES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
# torchvision's readers raise these for truncated, altered or unrelated files.
UNREADABLE = (OSError, RuntimeError, ValueError, AssertionError, LookupError)
NO_DOWNLOAD = (OSError, RuntimeError, EOFError, http.client.HTTPException, tarfile.TarError)
MNIST_PADDING = 2


@dataclass(frozen=True, slots=True)
class Layout:
    """A class of torchvision.datasets and the files that it reads, in `folder` below its root."""

    reader: str
    folder: str
    files: tuple[str, ...]

    def is_in(self, root: Path) -> bool:
        """Whether `root` has every file."""
        return all((root / self.folder / file).is_file() for file in self.files)


LAYOUTS = {
    "mnist": Layout("MNIST", "MNIST/raw", IDX_FILES),
    "fashion_mnist": Layout("FashionMNIST", "FashionMNIST/raw", IDX_FILES),
    "cifar10": Layout("CIFAR10", "cifar-10-batches-py", CIFAR_FILES),
}


def torchvision_set(spec: DataSpec, split: Split, *, download: bool) -> ImageSet:
    """Open a split: the published test images, or the training images divided with `split_seed`.

    MNIST and Fashion-MNIST are padded with zeros from 28 to 32 pixels. CIFAR-10 is split as in openai/vdvae.
    Files are downloaded only if `download` is set and no searched folder has them.
    Raises DataNotFound if files are missing or cannot be downloaded, InvalidData if they cannot be read.
    """
    images = torchvision_images(spec, train=split != "test", download=download)
    counts: dict[PartName, int] = {"test" if split == "test" else "train": len(images)}
    _, indices = members(spec, counts, split)
    return image_set(spec, split, images, indices)


def torchvision_images(spec: DataSpec, *, train: bool, download: bool) -> ArrayImages:
    """Read all training or all test images into memory. Raises as `torchvision_set` does."""
    layout = LAYOUTS[spec.dataset]
    root = _root(spec, layout, download=download)
    place = f"{root / layout.folder}"
    try:
        pixels = _pixels(_reader(layout)(root, train=train))
    except UNREADABLE as error:
        raise InvalidData(
            f"{place}: the files of {spec.dataset} cannot be read: {joined(error)}",
            help="delete that folder, then download the files again, for example with --download",
        ) from error
    return array_images(pixels, spec, place)


def _reader(layout: Layout) -> Callable[..., Any]:
    from torchvision import datasets  # a slow import that only these datasets need

    reader: Callable[..., Any] = getattr(datasets, layout.reader)
    return reader


def _pixels(dataset: Any) -> Pixels:
    """Return the images of a torchvision dataset, uint8 [N, 32, 32, C].

    Its `data` is [N, 28, 28] (a tensor) or [N, 32, 32, 3] (an array).
    """
    pixels: Pixels = np.asarray(dataset.data)
    if pixels.ndim == 3:
        margins = (MNIST_PADDING, MNIST_PADDING)
        return np.pad(pixels, ((0, 0), margins, margins))[..., None]
    return pixels


def _root(spec: DataSpec, layout: Layout, *, download: bool) -> Path:
    """Return the first searched folder that has the files; if none has, the first one after a download."""
    candidates = list(places(spec))
    for candidate in candidates:
        if layout.is_in(candidate):
            return candidate

    if not download or not candidates:
        files = ", ".join(layout.files)
        raise not_found(spec, f"{layout.folder}/ with {files}", "use --download")

    root = candidates[0]
    try:
        _reader(layout)(root, download=True)
    except NO_DOWNLOAD as error:
        raise DataNotFound(
            f"{spec.dataset} could not be downloaded to {root}: {joined(error)}",
            help=f"check the network and the folder's permissions, or put the files into {root / layout.folder}",
        ) from error
    return root
