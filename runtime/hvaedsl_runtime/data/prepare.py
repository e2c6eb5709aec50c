"""Prepare images: turn published files into arrays that a run maps into memory, with a manifest."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from math import prod
from pathlib import Path

import numpy as np

from hvaedsl import __version__
from hvaedsl.diagnostics.errors import PreparedFolderInUse, RunError, UnusableImages, UsageError
from hvaedsl.diagnostics.refusals import ANOTHER_FOLDER, refusals_explained
from hvaedsl.diagnostics.unicode_forms import other_form
from hvaedsl.ir.data_spec import MOST_CHANNELS, FileFit
from hvaedsl.ir.datasets import DATASETS
from hvaedsl.ir.hub import is_hub, meant_as_hub
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.fitting import Fitting, count_changes, fitting_from, parse_background
from hvaedsl_runtime.data.hub.extra import require
from hvaedsl_runtime.data.image_file import FILE_CHANNELS
from hvaedsl_runtime.data.levels import EIGHT_BIT_LEVELS, dtype_name, dtype_of
from hvaedsl_runtime.data.manifest import NAME, ArrayRecord, FitRecord, Manifest, OriginRecord, read_manifest
from hvaedsl_runtime.data.npy import npy_header
from hvaedsl_runtime.data.places import DATA_PATH, FROM
from hvaedsl_runtime.data.preparation import mean_and_std
from hvaedsl_runtime.data.problems import Problems, unlisted
from hvaedsl_runtime.data.published import COUNTS, READERS, Part, Source
from hvaedsl_runtime.data.published.image_folder import image_folder
from hvaedsl_runtime.data.splits import PartName
from hvaedsl_runtime.data.stored_channels import COLOR_CHANNELS
from hvaedsl_runtime.disk.foreign_content import packed_content, start_of
from hvaedsl_runtime.disk.strict_json import model_text
from hvaedsl_runtime.disk.whole_files import check_replaceable, check_writable, new_for_one, partial_name, write_whole

FILES = frozenset(("all.npy", "train.npy", "validation.npy", "test.npy", NAME, partial_name(Path(NAME)).name))
# Shows a description and the number of images; yields a function to call with the number of images just done.
Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


def data_to_prepare(
    name: str,
    resolution: int | ImageSize | None,
    channels: int | None,
    levels: int | None = None,
    *,
    config: str | None = None,
    column: str | None = None,
) -> DataSpec:
    """Make the data section of a dataset to prepare; all but `name` is for images of a user, and of the Hub.

    `config` and `column` are for a dataset of the Hugging Face Hub alone.
    Raises UsageError for a name that cannot be prepared, and for a resolution, channels or levels that do not fit.
    """
    if not is_hub(name) and (config is not None or column is not None):
        raise UsageError("--config and --column are only for Hugging Face datasets, hf:OWNER/NAME")
    if name not in READERS and not is_hub(name):
        reasons = {
            "digits": "digits comes with scikit-learn and needs no preparation",
            "npy": "npy needs no preparation: set data.path to the arrays",
        }
        known_names = f"{', '.join(READERS)}, or hf:OWNER/NAME"
        meant = f"write {meant_as_hub(name)}" if meant_as_hub(name) else ""
        raise UsageError(
            f"{reasons.get(name, f'unknown dataset {name}')}; NAME must be one of {known_names}", help=meant
        )

    if name == "folder" or is_hub(name):
        taken = FILE_CHANNELS if name == "folder" else range(1, MOST_CHANNELS + 1)
        if resolution is None or channels not in taken:
            raise UsageError(f"the dataset {name} needs --resolution and --channels (1 to {max(taken)})")
        return DataSpec(
            dataset=name,
            config=config,
            column=column,
            channels=channels,
            resolution=resolution,
            levels=EIGHT_BIT_LEVELS if levels is None else levels,
            validation=0,
            binarize="none",
            fit="crop_resize" if name == "folder" else "refuse",
        )

    known = DATASETS[name]
    if resolution is not None or channels is not None or levels is not None:
        shape = f"{known.resolution}x{known.resolution}x{known.channels} with {known.levels} levels"
        raise UsageError(
            f"{name} is {shape}; --resolution, --channels and --levels are only for the dataset folder and "
            "for hf:OWNER/NAME"
        )
    return DataSpec(
        dataset=name,
        channels=known.channels,
        resolution=known.resolution,
        levels=known.levels,
        validation=known.validation,
        binarize="none",
        fit="refuse",
    )


def check_source(source: Path, *, file_too: bool = False) -> None:
    """Raise UsageError unless `source`, the value of --from, is a folder; for an archive, with the way to unpack it.

    With `file_too`, it may be a file.
    """
    if source.is_dir() or (file_too and source.is_file()):
        return
    if not source.exists():
        dead = f"is a link to {source.readlink()}, which does not exist" if source.is_symlink() else "does not exist"
        other = other_form(source)
        raise UsageError(f"--from is {source}, which {dead}", help=other.help if other else "")
    packed = packed_content(source, start_of(source)) if source.is_file() else None
    if packed is None:
        raise UsageError(f"--from is {source}, which is a file; give the folder that contains it")
    raise UsageError(
        f"--from is {source}; {packed.what}, and --from must be a folder",
        help=f"{packed.help}, then give the folder that it was unpacked to",
    )


def fitting_of(
    name: str,
    channels: int | None,
    *,
    crop: bool | None,
    resize: bool | None,
    gray: bool,
    background: str | None,
    fit: FileFit | None = None,
) -> Fitting:
    """Make the fitting of a dataset to prepare; the options are for image files of a user, None is the default.

    `crop` and `resize`, for the dataset `folder` alone, say together what `fit` says alone.
    Raises UsageError for another dataset, for `fit` beside one of them, an unknown color, and gray color images.
    """
    given = {
        "--fit": fit is not None,
        "--crop": crop is not None,
        "--resize": resize is not None,
        "--gray": gray,
        "--background": background is not None,
    }
    refused = ("--crop", "--resize") if is_hub(name) else () if name == "folder" else tuple(given)
    if options := ", ".join(option for option in refused if given[option]):
        if is_hub(name):
            raise UsageError(f"{options}: only for the dataset folder; --fit says the same")
        raise UsageError(f"{options}: only for the dataset folder; the files of {name} are converted as published")
    if gray and channels != 1:
        raise UsageError(f"--gray needs --channels 1; --channels is {channels}")
    if background is not None and channels not in COLOR_CHANNELS:
        raise UsageError(
            f"--background needs --channels 1 or 3; --channels is {channels}, and alpha is one of them",
            help="remove --background, or ask for 3 channels",
        )
    if fit is not None and (crop is not None or resize is not None):
        raise UsageError("--fit says what --crop and --resize say; give it alone")

    made = fitting_from("refuse") if is_hub(name) else Fitting(crop is not False, resize is not False)
    color = None if background is None else parse_background(background)
    return fitting_from(fit or made.fit, gray=gray, background=color)


def prepare(
    spec: DataSpec, root: Path | None, target: Path, *, overwrite: bool, bar: Bar, fitting: Fitting | None = None
) -> Manifest:
    """Turn the published files below `root` into prepared images in `target`: .npy files and manifest.json.

    `fitting` is for image files of a user; the default is `data.fit`. Without `root`, a dataset of the Hugging Face Hub
    is downloaded.

    A few megabytes of images are in memory at a time. They are written into a folder beside `target` that is renamed
    when complete, so `target` is never half written. An incomplete folder that a killed process left is replaced; while
    another process fills it, WriteError is raised.
    Raises DataNotFound or InvalidData for missing, damaged or wrong files; PreparedFolderInUse if `target` has other
    content; WriteError if it cannot be written.
    """
    check_replaceable(target)
    target = target.absolute()
    partial, replaced = (target.with_name(f"{target.name}.{ending}") for ending in ("partial", "replaced"))

    with refusals_explained(target, ANOTHER_FOLDER):
        if replaced.exists() and not target.exists():
            replaced.rename(target)  # a process was killed between the two renames below
        _check_target(target, overwrite)
        _check_ours(partial)
        _check_ours(replaced)
        check_writable(target)

    # Readers list and count the images here; they decode them while the arrays are written.
    try:
        source = _source(spec, root, fitting)
    except OSError as error:
        raise unlisted(error, root) from error

    with ExitStack() as stack:
        with refusals_explained(target, ANOTHER_FOLDER):
            target.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(new_for_one(partial, is_folder=True))
        try:
            with refusals_explained(target, ANOTHER_FOLDER):
                _check_target(target, overwrite)  # another process may have prepared it since
                _check_space(spec, source, target)
            manifest = _write(spec, source, partial, bar)

            # Replace the old folder only when the new one is complete.
            with refusals_explained(target, ANOTHER_FOLDER):
                shutil.rmtree(replaced, ignore_errors=True)
                if target.exists():
                    target.rename(replaced)
                partial.rename(target)
                shutil.rmtree(replaced, ignore_errors=True)
        except BaseException:  # also KeyboardInterrupt: an incomplete folder is of no use, and may be large
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return manifest


def _source(spec: DataSpec, root: Path | None, fitting: Fitting | None) -> Source:
    """Open the files of a dataset; none is decoded yet. Raises UsageError without the extra that reads them."""
    if is_hub(spec.dataset):
        require(spec.dataset, download=root is None)
        from hvaedsl_runtime.data.hub.sources import hub_source, parquet_source

        setting = DATA_PATH if spec.path is not None else FROM
        return hub_source(spec, fitting) if root is None else parquet_source(spec, root, setting, fitting)
    assert root is not None
    return image_folder(spec, root, fitting) if spec.dataset == "folder" else READERS[spec.dataset](spec, root)


def _write(spec: DataSpec, source: Source, folder: Path, bar: Bar) -> Manifest:
    """Write the arrays, then the manifest. Raises UnusableImages, after all parts, for all of their files."""
    arrays: dict[PartName, ArrayRecord] = {}
    problems = Problems()
    for name, part in source.parts.items():
        try:
            arrays[name] = _write_array(folder / f"{name}.npy", name, part, spec, bar)
        except UnusableImages as error:
            problems.merge(error)
    problems.raise_any()

    changes = [part.changes for part in source.parts.values() if part.changes is not None]
    manifest = Manifest(
        dataset=spec.dataset,
        config=spec.config,
        column=source.column,
        resolution=spec.resolution,
        channels=spec.channels,
        levels=spec.levels,
        dtype=dtype_name(spec.levels),
        layout=source.layout,
        origins=tuple(
            OriginRecord(path=str(origin.path.absolute()), files=origin.files, bytes=origin.bytes, sha256=origin.sha256)
            for origin in source.origins
        ),
        warnings=(*_fewer_than_published(spec.dataset, source), *source.warnings),
        arrays=arrays,
        hvaedsl=__version__,
        fit=None if source.fitting is None else _fit_record(source.fitting),
        changes=count_changes(np.concatenate(changes)) if changes else {},
    )

    with refusals_explained(folder, ANOTHER_FOLDER):
        write_whole(folder / NAME, model_text(manifest, indent=1) + "\n")
    return manifest


def _fit_record(fitting: Fitting) -> FitRecord:
    return FitRecord(
        fit=fitting.fit,
        crop="center" if fitting.crop else "none",
        resize=fitting.resize,
        gray=fitting.gray,
        background=fitting.background_text,
    )


def _write_array(path: Path, name: PartName, part: Part, spec: DataSpec, bar: Bar) -> ArrayRecord:
    """Write a .npy file sequentially: a mapped file would end the process on a full disk."""
    shape, dtype = spec.shape, dtype_of(spec.levels)
    digest, counts, done = hashlib.sha256(), np.zeros(spec.levels, dtype=np.int64), 0

    with bar(f"{spec.dataset}: {name}", part.count) as advance, _created(path) as file:
        _append(file, npy_header((part.count, *shape), dtype), digest, path)

        for batch in part.batches():
            if batch.shape[1:] != shape or batch.dtype != dtype:
                raise ValueError(f"a reader returned images {batch.dtype} {batch.shape}; expected {dtype} {shape}")
            counts += np.bincount(batch.ravel(), minlength=spec.levels)
            _append(file, np.ascontiguousarray(batch).data, digest, path)
            done += len(batch)
            advance(len(batch))

        with refusals_explained(path, ANOTHER_FOLDER):
            file.flush()
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size

    if done != part.count:
        raise ValueError(f"a reader returned {done} images; expected {part.count}")
    mean, std = mean_and_std(counts)
    return ArrayRecord(
        count=done, bytes=size, sha256=digest.hexdigest(), mean=mean, std=std, level_counts=tuple(counts.tolist())
    )


@contextmanager
def _created(path: Path) -> Iterator[io.BufferedWriter]:
    with refusals_explained(path, ANOTHER_FOLDER):
        file = path.open("xb")
    try:
        yield file
    except BaseException:
        with suppress(OSError):  # flushing the rest of the buffer fails on a full disk
            file.close()
        raise
    with refusals_explained(path, ANOTHER_FOLDER):
        file.close()


def _append(file: io.BufferedWriter, content: bytes | memoryview, digest: hashlib._Hash, path: Path) -> None:
    digest.update(content)
    with refusals_explained(path, ANOTHER_FOLDER):
        file.write(content)


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
            f"{target} exists and holds no prepared images; it is not overwritten",
            help=ANOTHER_FOLDER,
        )
    if not overwrite:
        raise PreparedFolderInUse(
            f"{target} already holds prepared images",
            help=f"replace them with --force, or {ANOTHER_FOLDER}",
        )


def _check_ours(folder: Path) -> None:
    if folder.exists() and not (folder.is_dir() and all(path.name in FILES for path in folder.iterdir())):
        raise PreparedFolderInUse(
            f"{folder} exists and is not left from an interrupted preparation",
            help=f"move it, or {ANOTHER_FOLDER}",
        )


def _ours(folder: Path) -> bool:
    """Whether a folder holds prepared images and nothing else."""
    try:
        marked = read_manifest(folder) is not None
    except RunError:  # a damaged manifest, or one of another version, is still a manifest
        marked = True
    return marked and all(path.name in FILES for path in folder.iterdir())


def _check_space(spec: DataSpec, source: Source, target: Path) -> None:
    """Raise OSError if the arrays need more than the free disk space."""
    needed = sum(part.count for part in source.parts.values()) * prod(spec.shape) * dtype_of(spec.levels).itemsize
    existing = next(folder for folder in target.parents if folder.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"the images need {needed / 2**30:.1f} GiB; {free / 2**30:.1f} GiB are free")
