"""What a reader of published files gives: the parts of a data set, counted first and decoded as they are asked for."""

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

# How far below the folder that the user names files are searched: archives unpack into folders of their own.
DEPTH = 3


@dataclass(frozen=True, slots=True)
class Origin:
    """Where images came from: a file, or a folder of so many files."""

    path: Path
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Part:
    """Images that are published together, in the order in which `batches` gives them, uint8 [n, H, W, C]."""

    count: int
    batches: Callable[[], Iterator[Pixels]]


@dataclass(frozen=True, slots=True)
class Source:
    """A data set as it lies in published files. `layout` says which files, and what is done to their images."""

    layout: str
    origins: tuple[Origin, ...]
    parts: Mapping[PartName, Part]
    warnings: tuple[str, ...] = ()


def part_of_images(images: Images, spec: DataSpec) -> Part:
    """All of `images`, read in steps of bounded size."""
    step = images_at_a_time(spec)

    def batches() -> Iterator[Pixels]:
        for start in range(0, len(images), step):
            yield images.read(np.arange(start, min(start + step, len(images))))

    return Part(len(images), batches)


def images_at_a_time(spec: DataSpec, least: int = 1) -> int:
    """How many images are held in memory together."""
    return max(least, VALUES_PER_CHUNK // prod((spec.resolution, spec.resolution, spec.channels)))


def found(root: Path, *patterns: str) -> list[Path]:
    """The files and folders whose names match, in `root` and the folders below it, the highest first, then by name.

    Hidden ones (`._000001.jpg`, of archives made on a Mac) are left out.
    """
    levels = ["*/" * depth for depth in range(DEPTH)]
    hits = (sorted(path for pattern in patterns for path in root.glob(level + pattern)) for level in levels)
    return [path for level in hits for path in level if not path.name.startswith(".")]


def origins_of_files(paths: Iterable[Path]) -> tuple[Origin, ...]:
    """Files with their sizes."""
    return tuple(Origin(path, 1, path.stat().st_size) for path in paths)


def not_there(spec: DataSpec, root: Path, wanted: str, way_out: str) -> RunError:
    """The error for a folder that lacks the published files; `way_out` completes `name the folder that ...`."""
    return DataNotFound(
        f"{root}: found no {wanted} of {spec.dataset} there, nor in the folders below it",
        help=way_out,
    )
