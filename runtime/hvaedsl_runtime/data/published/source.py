"""A published dataset: its parts, counted first and decoded on demand, and where its files are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hvaedsl.diagnostics.errors import DataNotFound, RunError
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.file_images import FileImages
from hvaedsl_runtime.data.fitting import Changes, Fitting
from hvaedsl_runtime.data.image_tree import is_clutter
from hvaedsl_runtime.data.images import Images, Pixels, batches_of, images_at_a_time
from hvaedsl_runtime.data.splits import PartName
from hvaedsl_runtime.disk.checksums import file_sha256

# Number of levels of folders that are searched: archives unpack into separate folders.
DEPTH = 3


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of images: a file, or a folder of `files` files; `bytes` is the total size.

    `sha256` is the checksum of a file, if it was computed.
    """

    path: Path
    files: int
    bytes: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Images that are published together; `batches` yields them in order, uint8 [n, H, W, C].

    `changes` has the changes of each image file, filled in by `batches`; None if the images are in arrays.
    """

    count: int
    batches: Callable[[], Iterator[Pixels]]
    changes: Changes | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset in published files; `layout` describes the files, and how their images are converted.

    `fitting` is what the user allowed, for the image files of a user alone; `column` is the column of a table.
    """

    layout: str
    origins: tuple[Origin, ...]
    parts: Mapping[PartName, Part]
    warnings: tuple[str, ...] = ()
    fitting: Fitting | None = None
    column: str | None = None


def part_of_images(images: Images, spec: DataSpec) -> Part:
    """Return all of `images`, read in batches of bounded size."""
    step = images_at_a_time(spec.shape)
    changes = images.changes if isinstance(images, FileImages) else None
    return Part(len(images), lambda: batches_of(images, np.arange(len(images)), step), changes)


def find_files(root: Path, *patterns: str) -> list[Path]:
    """Find the files and folders whose names match, in `root` and the folders below it, highest first, then by name.

    Hidden ones (`._000001.jpg`, `__MACOSX`, in archives made on macOS) are skipped, with what is in them.
    """
    levels = ["*/" * depth for depth in range(DEPTH)]
    hits = (sorted(path for pattern in patterns for path in root.glob(level + pattern)) for level in levels)
    return [path for level in hits for path in level if not any(map(is_clutter, path.relative_to(root).parts))]


def origins_of_files(paths: Iterable[Path], *, checksums: bool = False) -> tuple[Origin, ...]:
    """Return files with their sizes; with `checksums`, all of them are read."""
    return tuple(Origin(path, 1, path.stat().st_size, file_sha256(path) if checksums else None) for path in paths)


def files_missing(spec: DataSpec, root: Path, files: str, way_out: str) -> RunError:
    """Make the error for a folder without the published files."""
    return DataNotFound(
        f"{root}: found no {files} of {spec.dataset}, in this folder or below",
        help=way_out,
    )
