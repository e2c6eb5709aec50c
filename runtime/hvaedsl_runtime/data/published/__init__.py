"""Readers of published datasets, and the number of images that each publishes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.published.celeba import celeba
from hvaedsl_runtime.data.published.ffhq import ffhq
from hvaedsl_runtime.data.published.image_folder import image_folder
from hvaedsl_runtime.data.published.imagenet_npz import imagenet_npz
from hvaedsl_runtime.data.published.imagenet_png import imagenet_png
from hvaedsl_runtime.data.published.source import Part, Source
from hvaedsl_runtime.data.published.torchvision_files import torchvision_files
from hvaedsl_runtime.data.splits import PartName

__all__ = ["COUNTS", "READERS", "Part", "Source"]

Reader = Callable[[DataSpec, Path], Source]

READERS: Mapping[str, Reader] = {
    "mnist": torchvision_files,
    "fashion_mnist": torchvision_files,
    "cifar10": torchvision_files,
    "imagenet32": imagenet_npz,
    "imagenet64": imagenet_npz,
    "imagenet32_oord": imagenet_png,
    "imagenet64_oord": imagenet_png,
    "celeba": celeba,
    "ffhq256": ffhq,
    "ffhq1024": ffhq,
    "folder": image_folder,
}

_MNIST: Mapping[PartName, int] = {"train": 60_000, "test": 10_000}
_NPZ: Mapping[PartName, int] = {"train": 1_281_167, "test": 50_000}
_PNG: Mapping[PartName, int] = {"train": 1_281_149, "test": 49_999}
_FFHQ: Mapping[PartName, int] = {"all": 70_000, "train": 65_000, "test": 5_000}

# Number of published images. If fewer are found, the manifest has a warning.
COUNTS: Mapping[str, Mapping[PartName, int]] = {
    "mnist": _MNIST,
    "fashion_mnist": _MNIST,
    "cifar10": {"train": 50_000, "test": 10_000},
    "imagenet32": _NPZ,
    "imagenet64": _NPZ,
    "imagenet32_oord": _PNG,
    "imagenet64_oord": _PNG,
    "celeba": {"train": 162_770, "validation": 19_867, "test": 19_962},
    "ffhq256": _FFHQ,
    "ffhq1024": _FFHQ,
}
