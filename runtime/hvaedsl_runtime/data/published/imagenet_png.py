"""Small ImageNet as van den Oord et al. (2016) publish it, PNG files in a tar, and as openai/vdvae rewrites it."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData, RunError
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import Indices
from hvaedsl_runtime.data.npy import open_npy
from hvaedsl_runtime.data.published.image_files import decoded_part, image_names, of_size, part_of_files, unreadable
from hvaedsl_runtime.data.published.source import (
    Origin,
    Part,
    Source,
    found,
    not_there,
    origins_of_files,
    part_of_images,
)

SUFFIX = ".png"


def imagenet_png(spec: DataSpec, root: Path) -> Source:
    """imagenet32-train.npy and imagenet32-valid.npy (openai/vdvae), else train_32x32.tar and valid_32x32.tar, else
    the folders in those tars; 64 likewise. The valid images are the test set.

    The arrays keep their order, which openai/vdvae took from a file system: the published split is a split of that
    order, and comes out exactly from those files alone. Tars and folders are taken in the order of the names.
    Raises RunError (4) for missing, damaged and wrong files.
    """
    size = spec.resolution
    names = {"train": f"train_{size}x{size}", "valid": f"valid_{size}x{size}"}
    layouts: tuple[tuple[str, dict[str, str], Callable[[Path, DataSpec], Read]], ...] = (
        ("npy files of openai/vdvae", {part: f"imagenet{size}-{part}.npy" for part in names}, _array),
        ("PNG files in tars, by name", {part: f"{name}.tar" for part, name in names.items()}, _tar),
        ("PNG files in folders, by name", names, _folder),
    )
    for layout, wanted, read in layouts:
        train, test = (_first(root, wanted[part]) for part in ("train", "valid"))
        if train is not None and test is not None:
            parts = {"train": read(train, spec), "test": read(test, spec)}
            return Source(
                layout=layout,
                origins=tuple(origin for part in parts.values() for origin in part.origins),
                parts={"train": parts["train"].part, "test": parts["test"].part},
                warnings=tuple(warning for part in parts.values() for warning in part.warnings),
            )
    wanted_names = f"{names['train']}.tar and {names['valid']}.tar"
    way_out = (
        f"name the folder that holds {wanted_names}, or what was unpacked from them, or the .npy files made of them"
    )
    raise not_there(spec, root, f"pair {wanted_names}", way_out)


@dataclass(frozen=True, slots=True)
class Read:
    """One of the two parts, and where it came from."""

    part: Part
    origins: tuple[Origin, ...]
    warnings: tuple[str, ...] = ()


def _first(root: Path, name: str) -> Path | None:
    return next(iter(found(root, name)), None)


def _array(path: Path, spec: DataSpec) -> Read:
    return Read(part_of_images(open_npy(path, spec), spec), origins_of_files([path]))


def _folder(path: Path, spec: DataSpec) -> Read:
    names, origin = image_names(path, (SUFFIX,))
    if not names:
        raise _no_png(path)
    part = part_of_files(path, names, of_size(spec.resolution, spec.resolution), spec)
    return Read(part, (origin,))


def _tar(path: Path, spec: DataSpec) -> Read:
    """The PNG files of an uncompressed tar, in the order of their names; nothing is unpacked."""
    names, offsets, sizes, others = _index(path)
    if not names:
        raise _no_png(path)
    order = sorted(range(len(names)), key=names.__getitem__)

    def read(position: int) -> tuple[str, bytes]:
        index = order[position]
        name = f"{path}: {names[index]}"
        try:
            with path.open("rb") as file:
                file.seek(int(offsets[index]))
                return name, file.read(int(sizes[index]))
        except OSError as error:
            raise unreadable(name, error) from error

    part = decoded_part(len(names), read, of_size(spec.resolution, spec.resolution), spec)
    warnings = (f"{path.name}: left out {len(others)} files that are no PNG: {_some(others)}",) if others else ()
    return Read(part, origins_of_files([path]), warnings)


def _index(path: Path) -> tuple[list[str], Indices, Indices, list[str]]:
    """Names, offsets and sizes of the PNG files in a tar, and the names of other files."""
    names: list[str] = []
    places: list[tuple[int, int]] = []
    others: list[str] = []
    try:
        with tarfile.open(path, "r:") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # over a million of them; no entry is asked for again
                name = member.name.rpartition("/")[2]
                if member.isfile() and name.lower().endswith(SUFFIX) and not name.startswith("."):
                    names.append(member.name)
                    places.append((member.offset_data, member.size))
                elif not member.isdir():
                    others.append(member.name)
    except (OSError, tarfile.TarError, ValueError, EOFError) as error:
        raise InvalidData(
            f"{path}: found no readable, uncompressed tar: {error}",
            help="get the file again, or unpack it and name the folder",
        ) from error
    columns = np.array(places, dtype=np.int64).reshape(-1, 2)
    return names, columns[:, 0], columns[:, 1], others


def _no_png(path: Path) -> RunError:
    return DataNotFound(f"{path}: found no PNG file", help="get the files again")


def _some(names: list[str], shown: int = 3) -> str:
    return ", ".join(re.sub(r"[^\x20-\x7e]", "?", name) for name in names[:shown]) + (
        ", ..." if len(names) > shown else ""
    )
