"""Downsampled ImageNet of Chrabaszcz et al. (2017): npz batches with the planes of each image in one row."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from hvaedsl.diagnostics.errors import InvalidData, RunError
from hvaedsl.diagnostics.printable import joined
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import Pixels, images_at_a_time
from hvaedsl_runtime.data.published.source import Part, Source, files_missing, find_files, origins_of_files

UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)
MEMBER = "data.npy"


@dataclass(frozen=True, slots=True)
class Batch:
    """An npz file; its array `data` is uint8 [count, 3 * resolution * resolution]: red, green and blue plane."""

    path: Path
    count: int

    def images(self, spec: DataSpec) -> Iterator[Pixels]:
        """Yield the images in order, uint8 [n, H, W, 3]; the whole array is never in memory."""
        row = spec.channels * spec.height**2
        step = images_at_a_time(spec.shape)
        with _damage_explained(self.path), zipfile.ZipFile(self.path) as archive, archive.open(MEMBER) as member:
            _header(member)
            for start in range(0, self.count, step):
                count = min(step, self.count - start)
                content = member.read(count * row)
                if len(content) != count * row:
                    raise EOFError("the array is truncated")

                planes = np.frombuffer(content, dtype=np.uint8)
                yield planes.reshape(count, spec.channels, spec.height, spec.height).transpose(0, 2, 3, 1)


def imagenet_npz(spec: DataSpec, root: Path) -> Source:
    """Read train_data_batch_1.npz to _10.npz, in the order of their numbers, and val_data.npz, the test set.

    Labels and mean images are ignored. Pickled batches (the same names without .npz) are rejected: loading a pickle can
    run arbitrary code. Raises DataNotFound or InvalidData for missing, damaged or wrong files.
    """
    paths = _numbered(find_files(root, "train_data_batch_*.npz"))
    test = find_files(root, "val_data.npz")
    if not paths or not test:
        raise _missing(spec, root, "val_data.npz" if paths else "train_data_batch_1.npz")
    if len(test) > 1:
        raise _duplicate(test[0], test[1])

    return Source(
        layout="npz batches of Chrabaszcz et al. (2017)",
        origins=origins_of_files([*paths, *test]),
        parts={"train": _part(paths, spec), "test": _part(test, spec)},
    )


def _part(paths: Sequence[Path], spec: DataSpec) -> Part:
    batches = [_batch(path, spec) for path in paths]

    def images() -> Iterator[Pixels]:
        for batch in batches:
            yield from batch.images(spec)

    return Part(sum(batch.count for batch in batches), images)


def _batch(path: Path, spec: DataSpec) -> Batch:
    row = spec.channels * spec.height**2
    with _damage_explained(path), zipfile.ZipFile(path) as archive, archive.open(MEMBER) as member:
        shape, fortran_order, dtype = _header(member)
    if dtype != np.uint8 or fortran_order or len(shape) != 2 or shape[1] != row:
        raise InvalidData(
            f"{path}: `data` is {dtype} {list(shape)}; it must be uint8 [N, {row}]",
            help=f"{spec.dataset} has {spec.height}x{spec.height} pixels; pass the folder of its files",
        )
    return Batch(path, shape[0])


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Read the header of a .npy file: shape, whether the order is Fortran's, and type."""
    match np.lib.format.read_magic(member):
        case (1, 0):
            return np.lib.format.read_array_header_1_0(member)
        case (2, 0):
            return np.lib.format.read_array_header_2_0(member)
        case version:
            raise ValueError(f"unknown version {version} of the .npy format")


def _numbered(paths: Sequence[Path]) -> list[Path]:
    """Sort training batches by number: 10 comes after 9."""
    by_number: dict[int, Path] = {}
    for path in paths:
        if (match := re.fullmatch(r"train_data_batch_(\d+)\.npz", path.name)) is None:
            continue
        if (number := int(match[1])) in by_number:
            raise _duplicate(by_number[number], path)
        by_number[number] = path
    return [by_number[number] for number in sorted(by_number)]


def _duplicate(first: Path, second: Path) -> RunError:
    return InvalidData(
        f"{first} and {second} are the same batch",
        help="pass a folder that contains each batch once",
    )


def _missing(spec: DataSpec, root: Path, file: str) -> RunError:
    archives = find_files(root, f"Imagenet{spec.height}_*.zip")
    pickles = [path for path in find_files(root, "train_data_batch_*", "val_data") if not path.suffix]
    way_out = f"pass the folder that contains train_data_batch_1.npz to _10.npz and val_data.npz: {_archives(spec)}"
    if archives:
        way_out = f"unpack {', '.join(path.name for path in archives)} first"
    elif pickles:
        way_out = f"{pickles[0]} is a Python pickle, and loading one can run arbitrary code: download {_archives(spec)}"
    return files_missing(spec, root, file, way_out)


def _archives(spec: DataSpec) -> str:
    size = spec.height
    parts = ("train",) if size < 64 else ("train_part1", "train_part2")
    return ", ".join(f"Imagenet{size}_{part}_npz.zip" for part in (*parts, "val")) + ", unpacked"


@contextmanager
def _damage_explained(path: Path) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise InvalidData(
            f"{path}: not a readable npz batch with an array `data`: {joined(error)}",
            help="download the file again",
        ) from error
