"""A published dataset: its parts, counted first and decoded on demand, and where its files are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from hvaedsl.diagnostics.errors import DataNotFound, RunError
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import VALUES_PER_CHUNK, Images, Pixels
from hvaedsl_runtime.data.splits import PartName

# Number of levels of folders that are searched: archives unpack into separate folders.
DEPTH = 3


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of images: a file, or a folder of `files` files; `bytes` is the total size."""

    path: Path
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Part:
    """Images that are published together; `batches` yields them in order, uint8 [n, H, W, C]."""

    count: int
    batches: Callable[[], Iterator[Pixels]]


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset in published files; `layout` describes the files, and how their images are converted."""

    layout: str
    origins: tuple[Origin, ...]
    parts: Mapping[PartName, Part]
    warnings: tuple[str, ...] = ()


def part_of_images(images: Images, spec: DataSpec) -> Part:
    """Return all of `images`, read in batches of bounded size."""
    step = images_at_a_time(spec)

    def batches() -> Iterator[Pixels]:
        for start in range(0, len(images), step):
            yield images.read(np.arange(start, min(start + step, len(images))))

    return Part(len(images), batches)


def images_at_a_time(spec: DataSpec, least: int = 1) -> int:
    """Return the number of images that are held in memory at a time, at least `least`."""
    return max(least, VALUES_PER_CHUNK // prod((spec.resolution, spec.resolution, spec.channels)))


def find_files(root: Path, *patterns: str) -> list[Path]:
    """Find the files and folders whose names match, in `root` and the folders below it, highest first, then by name.

    Hidden ones (`._000001.jpg`, in archives made on macOS) are skipped.
    """
    levels = ["*/" * depth for depth in range(DEPTH)]
    hits = (sorted(path for pattern in patterns for path in root.glob(level + pattern)) for level in levels)
    return [path for level in hits for path in level if not path.name.startswith(".")]


def origins_of_files(paths: Iterable[Path]) -> tuple[Origin, ...]:
    """Return files with their sizes."""
    return tuple(Origin(path, 1, path.stat().st_size) for path in paths)


def files_missing(spec: DataSpec, root: Path, files: str, way_out: str) -> RunError:
    """Make the error for a folder without the published files."""
    return DataNotFound(
        f"{root}: found no {files} of {spec.dataset}, in this folder or below",
        help=way_out,
    )
