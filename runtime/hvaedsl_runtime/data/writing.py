"""Preparing images: published files become arrays that a run maps into memory, with a manifest."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from math import prod
from pathlib import Path

import numpy as np

from hvaedsl import __version__
from hvaedsl.diagnostics.errors import InvalidData, PreparedFolderInUse, RunError
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.manifest import NAME, ArrayRecord, Manifest, OriginRecord, read_manifest
from hvaedsl_runtime.data.preparation import mean_and_std
from hvaedsl_runtime.data.published import COUNTS, READERS, Part, Source
from hvaedsl_runtime.data.splits import PartName
from hvaedsl_runtime.disk.whole_files import partial_name, refusals_explained, write_whole

INSTEAD = "name another folder with --out"
FILES = frozenset(("all.npy", "train.npy", "validation.npy", "test.npy", NAME, partial_name(Path(NAME)).name))
# Shows a description and how many images there are; what it yields is told of each image that is done.
Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


def prepare(spec: DataSpec, root: Path, target: Path, *, overwrite: bool, bar: Bar) -> Manifest:
    """Turn the published files below `root` into a prepared set in `target`: arrays as .npy files, and manifest.json.

    Images pass through memory a few megabytes at a time. They are written into a folder beside the target, which takes
    its name when it is whole: what is there is never half a set. One that a killed process left is replaced.
    Raises RunError (4): missing, damaged or wrong files; a target that is in the way. WriteError: a target that cannot
    be written; a full disk.
    """
    target = target.absolute()
    partial, replaced = (target.with_name(f"{target.name}.{ending}") for ending in ("partial", "replaced"))
    with refusals_explained(target, INSTEAD):
        if replaced.exists() and not target.exists():
            replaced.rename(target)  # a process was killed between the two renamings below
        _check_target(target, overwrite)
        _check_ours(partial)
        _check_ours(replaced)
    try:
        source = READERS[spec.dataset](spec, root)
    except OSError as error:
        raise InvalidData(f"{root} cannot be read: {error}", help="check the folder and that it can be read") from error
    with refusals_explained(target, INSTEAD):
        shutil.rmtree(partial, ignore_errors=True)
        _check_space(spec, source, target)
        partial.mkdir(parents=True)
    try:
        manifest = _write(spec, source, partial, bar)
        with refusals_explained(target, INSTEAD):
            shutil.rmtree(replaced, ignore_errors=True)
            if target.exists():
                target.rename(replaced)
            partial.rename(target)
            shutil.rmtree(replaced, ignore_errors=True)
    except BaseException:  # an interruption too: half a set is of no use, and may be large
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return manifest


def _write(spec: DataSpec, source: Source, folder: Path, bar: Bar) -> Manifest:
    arrays = {name: _write_array(folder / f"{name}.npy", name, part, spec, bar) for name, part in source.parts.items()}
    manifest = Manifest(
        dataset=spec.dataset,
        resolution=spec.resolution,
        channels=spec.channels,
        levels=spec.levels,
        layout=source.layout,
        origins=tuple(
            OriginRecord(path=str(origin.path.absolute()), files=origin.files, bytes=origin.bytes)
            for origin in source.origins
        ),
        warnings=(*_fewer_than_published(spec.dataset, source), *source.warnings),
        arrays=arrays,
        hvaedsl=__version__,
    )
    with refusals_explained(folder, INSTEAD):
        write_whole(folder / NAME, manifest.model_dump_json(indent=1) + "\n")
    return manifest


def _write_array(path: Path, name: PartName, part: Part, spec: DataSpec, bar: Bar) -> ArrayRecord:
    """Write one .npy file from its beginning to its end; a mapped one would end the process on a full disk."""
    shape = (spec.resolution, spec.resolution, spec.channels)
    digest, counts, done = hashlib.sha256(), np.zeros(spec.levels, dtype=np.int64), 0
    with bar(f"{spec.dataset}: {name}", part.count) as advance, _created(path) as file:
        _append(file, _header((part.count, *shape)), digest, path)
        for batch in part.batches():
            if batch.shape[1:] != shape or batch.dtype != np.uint8:
                raise ValueError(f"a reader gave {batch.dtype} {batch.shape}, not uint8 {shape}")
            counts += np.bincount(batch.ravel(), minlength=spec.levels)
            _append(file, np.ascontiguousarray(batch).data, digest, path)
            done += len(batch)
            advance(len(batch))
        with refusals_explained(path, INSTEAD):
            file.flush()
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
    if done != part.count:
        raise ValueError(f"a reader announced {part.count} images and gave {done}")
    mean, std = mean_and_std(counts)
    return ArrayRecord(
        count=done, bytes=size, sha256=digest.hexdigest(), mean=mean, std=std, level_counts=tuple(counts.tolist())
    )


@contextmanager
def _created(path: Path) -> Iterator[io.BufferedWriter]:
    with refusals_explained(path, INSTEAD):
        file = path.open("xb")
    try:
        yield file
    except BaseException:
        with suppress(OSError):  # what is still in the buffer finds no room either
            file.close()
        raise
    with refusals_explained(path, INSTEAD):
        file.close()


def _append(file: io.BufferedWriter, content: bytes | memoryview, digest: hashlib._Hash, path: Path) -> None:
    digest.update(content)
    with refusals_explained(path, INSTEAD):
        file.write(content)


def _header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _fewer_than_published(dataset: str, source: Source) -> Iterator[str]:
    for name, part in source.parts.items():
        published = COUNTS.get(dataset, {}).get(name, part.count)
        if part.count != published:
            yield f"found {part.count:,} of {published:,} images ({name})"


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not target.is_dir() or not _ours(target):
        raise PreparedFolderInUse(
            f"{target} exists, and holds no prepared images: nothing in it is touched",
            help="name another folder with --out",
        )
    if not overwrite:
        raise PreparedFolderInUse(
            f"{target} holds prepared images already",
            help="--overwrite replaces them; --out names another folder",
        )


def _check_ours(folder: Path) -> None:
    if folder.exists() and not (folder.is_dir() and all(path.name in FILES for path in folder.iterdir())):
        raise PreparedFolderInUse(
            f"{folder} is in the way, and is not what an interrupted preparation leaves",
            help="move it, or name another folder with --out",
        )


def _ours(folder: Path) -> bool:
    try:
        marked = read_manifest(folder) is not None
    except RunError:  # damaged, or of another version: ours none the less
        marked = True
    return marked and all(path.name in FILES for path in folder.iterdir())


def _check_space(spec: DataSpec, source: Source, target: Path) -> None:
    """Raise OSError where the disk has not the room that the arrays need."""
    needed = sum(part.count for part in source.parts.values()) * prod((spec.resolution, spec.resolution, spec.channels))
    existing = next(folder for folder in target.parents if folder.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"the images need {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free")
