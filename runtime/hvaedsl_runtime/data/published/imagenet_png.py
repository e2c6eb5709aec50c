"""Small ImageNet of van den Oord et al. (2016): PNG files in a tar, or the arrays that openai/vdvae makes of them."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData, RunError
from hvaedsl.diagnostics.printable import joined
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.image_tree import is_clutter
from hvaedsl_runtime.data.images import Indices
from hvaedsl_runtime.data.npy import open_npy
from hvaedsl_runtime.data.published.image_files import (
    decoded_part,
    image_names,
    part_of_files,
    require_size,
)
from hvaedsl_runtime.data.published.source import (
    Origin,
    Part,
    Source,
    files_missing,
    find_files,
    origins_of_files,
    part_of_images,
)

SUFFIX = ".png"


def imagenet_png(spec: DataSpec, root: Path) -> Source:
    """Read imagenet32-{train,valid}.npy (openai/vdvae), {train,valid}_32x32.tar, or the folders unpacked from these.

    The names are the same with 64. The first of these layouts that is found is read; the valid images are the test set.
    The arrays keep their order, which openai/vdvae took from a file system: the published split is a split of that
    order, and only these files reproduce it exactly. Files in tars and folders are sorted by name.
    Raises DataNotFound or InvalidData for missing, damaged or wrong files.
    """
    size = spec.height
    names = {"train": f"train_{size}x{size}", "valid": f"valid_{size}x{size}"}
    layouts: tuple[tuple[str, dict[str, str], Callable[[Path, DataSpec], Read]], ...] = (
        ("npy files of openai/vdvae", {part: f"imagenet{size}-{part}.npy" for part in names}, _array),
        ("PNG files in tars, by name", {part: f"{name}.tar" for part, name in names.items()}, _tar),
        ("PNG files in folders, by name", names, _folder),
    )

    for layout, files, read in layouts:
        train, test = (_first(root, files[part]) for part in ("train", "valid"))
        if train is not None and test is not None:
            parts = {"train": read(train, spec), "test": read(test, spec)}
            return Source(
                layout=layout,
                origins=tuple(origin for part in parts.values() for origin in part.origins),
                parts={"train": parts["train"].part, "test": parts["test"].part},
                warnings=tuple(warning for part in parts.values() for warning in part.warnings),
            )

    archives = f"{names['train']}.tar and {names['valid']}.tar"
    way_out = f"pass the folder that contains {archives}, the folders unpacked from them, or openai/vdvae's .npy files"
    raise files_missing(spec, root, f"pair {archives}", way_out)


@dataclass(frozen=True, slots=True)
class Read:
    """One of the two parts, with its origins and warnings."""

    part: Part
    origins: tuple[Origin, ...]
    warnings: tuple[str, ...] = ()


def _first(root: Path, name: str) -> Path | None:
    return next(iter(find_files(root, name)), None)


def _array(path: Path, spec: DataSpec) -> Read:
    return Read(part_of_images(open_npy(path, spec), spec), origins_of_files([path]))


def _folder(path: Path, spec: DataSpec) -> Read:
    names, origin = image_names(path, (SUFFIX,))
    if not names:
        raise _no_png(path)
    part = part_of_files(path, names, require_size(spec.height, spec.height), spec)
    return Read(part, (origin,))


def _tar(path: Path, spec: DataSpec) -> Read:
    """Read the PNG files of an uncompressed tar in place, sorted by name."""
    names, offsets, sizes, others = _index(path)
    if not names:
        raise _no_png(path)
    order = sorted(range(len(names)), key=names.__getitem__)

    def read(position: int) -> tuple[str, bytes | OSError]:
        index = order[position]
        name = f"{path}: {names[index]}"
        try:
            with path.open("rb") as file:
                file.seek(int(offsets[index]))
                return name, file.read(int(sizes[index]))
        except OSError as error:
            return name, error

    part = decoded_part(len(names), read, require_size(spec.height, spec.height), spec)
    warnings = (f"{path.name}: skipped files that are not PNG ({len(others):,}): {_some(others)}",) if others else ()
    return Read(part, origins_of_files([path]), warnings)


def _index(path: Path) -> tuple[list[str], Indices, Indices, list[str]]:
    """List the names, offsets and sizes of the PNG files in a tar, and the names of other files."""
    names: list[str] = []
    places: list[tuple[int, int]] = []
    others: list[str] = []

    try:
        with tarfile.open(path, "r:") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # there may be over a million; none is read again
                name = member.name.rpartition("/")[2]
                clutter = any(is_clutter(part) for part in member.name.split("/") if part != ".")
                if member.isfile() and name.lower().endswith(SUFFIX) and not clutter:
                    names.append(member.name)
                    places.append((member.offset_data, member.size))
                elif not member.isdir() and not clutter:
                    others.append(member.name)
    except (OSError, tarfile.TarError, ValueError, EOFError) as error:
        raise InvalidData(
            f"{path}: not a readable, uncompressed tar: {joined(error)}",
            help="download the file again, or unpack it and pass the folder",
        ) from error

    columns = np.array(places, dtype=np.int64).reshape(-1, 2)
    return names, columns[:, 0], columns[:, 1], others


def _no_png(path: Path) -> RunError:
    return DataNotFound(f"{path}: found no PNG file", help="download the files again")


def _some(names: list[str], shown: int = 3) -> str:
    return ", ".join(re.sub(r"[^\x20-\x7e]", "?", name) for name in names[:shown]) + (
        ", ..." if len(names) > shown else ""
    )
