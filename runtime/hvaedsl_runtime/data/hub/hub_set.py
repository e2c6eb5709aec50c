"""The dataset `hf:OWNER/NAME`: prepared images, or tables that are prepared once, into a folder of their own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hvaedsl.diagnostics.errors import InvalidData, WriteError
from hvaedsl.diagnostics.refusals import refusals_explained
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.console import image_bar
from hvaedsl_runtime.data.hub.extra import require
from hvaedsl_runtime.data.images import ImageSet, Split
from hvaedsl_runtime.data.manifest import read_manifest
from hvaedsl_runtime.data.places import ENVIRONMENT_VARIABLE, default_folder, places
from hvaedsl_runtime.data.prepared import PreparedSet, find_prepared

DIGITS_OF_KEY = 12
ELSEWHERE = (
    f"set {ENVIRONMENT_VARIABLE} to a folder for images, or prepare them with `hvaedsl data prepare NAME --out DIR`, "
    "and set data.path to DIR"
)


def hub_set(spec: DataSpec) -> PreparedSet:
    """The prepared images of a dataset of the Hub; those of tables are prepared first, unless they have been before.

    With `data.path`, no network is used. One process prepares, others wait for it.
    Raises UsageError without the extra `hf`; DataNotFound, InvalidData and UnusableImages for missing, unclear and
    damaged tables; WriteError if the images cannot be written.
    """
    prepared = find_prepared(spec)
    return prepared if prepared is not None else _prepared_once(spec)


def hub_split(spec: DataSpec, split: Split) -> ImageSet:
    """Open a split of a dataset of the Hub. Raises as `hub_set` does, and as `PreparedSet.split`."""
    if (prepared := find_prepared(spec)) is not None:
        return prepared.split(spec, split)

    prepared = _prepared_once(spec)
    try:
        images = prepared.split(spec, split)
    except InvalidData as error:
        raise error.reworded(str(error), f"remove {prepared.folder}; the images are then prepared again") from error
    notes = (*images.notes, *prepared.manifest.warnings, f"the images were prepared in {prepared.folder}")
    return replace(images, notes=notes)


def _prepared_once(spec: DataSpec) -> PreparedSet:
    """The images of tables, prepared in a folder whose name depends on the tables and on what is made of them."""
    folder = default_folder(spec.dataset)
    target = folder.with_name(f"{folder.name}@{_key(spec)}")
    if read_manifest(target) is None:
        _prepare(spec, target)
    return PreparedSet.at(target)


def _prepare(spec: DataSpec, target: Path) -> None:
    """Prepare tables in `target`, unless another process does so at this moment."""
    from hvaedsl_runtime.data.prepare import prepare  # a slow import that a run on prepared images does without

    require(spec.dataset, download=spec.path is None)
    root = next(iter(places(spec))) if spec.path is not None else None
    try:
        with _locked(target):
            if read_manifest(target) is None:
                prepare(spec, root, target, overwrite=False, bar=image_bar)
    except WriteError as error:
        raise error.reworded(str(error), ELSEWHERE) from error


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Keep other processes from preparing the same images. A process that ends gives the lock back."""
    from filelock import FileLock  # of the extra

    lock = FileLock(f"{target}.lock")
    with refusals_explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _key(spec: DataSpec) -> str:
    """Digits that change with the files, with the column and with the shape that their images get."""
    made = (spec.dataset, spec.config, spec.column, *spec.shape, spec.levels, spec.fit)
    text = json.dumps([*made, *_files(spec)])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:DIGITS_OF_KEY]


def _files(spec: DataSpec) -> Iterator[tuple[str, int, int]]:
    """The path, size and time of change of each parquet file in `data.path`; none without it."""
    if spec.path is None:
        return
    from hvaedsl_runtime.data.hub.parquet_files import parquet_files

    for place, setting in places(spec).items():
        for path in parquet_files(spec, place, setting).every():
            try:
                entry = path.stat()
            except OSError:  # preparing names all files that cannot be read
                continue
            yield str(path.absolute()), entry.st_size, entry.st_mtime_ns
