"""Images that a user names beside a run: a folder of image files, one or several image files, or a .npy file.

They are opened as a test set of the run's dataset, and fitted as its image files were. Files for a dataset that has no
image files hold its levels as shades from 0 to 255; real values are those of the files.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData, UsageError
from hvaedsl.ir.hub import is_hub
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.file_images import FileImages
from hvaedsl_runtime.data.fitting import Fitting, fitting_from, parse_background
from hvaedsl_runtime.data.folder import Layout, image_files
from hvaedsl_runtime.data.image_file import FILE_CHANNELS
from hvaedsl_runtime.data.image_tree import SUFFIXES, others_text, search
from hvaedsl_runtime.data.images import ImageSet, Split, image_set
from hvaedsl_runtime.data.npy import open_npy
from hvaedsl_runtime.data.opening import open_split
from hvaedsl_runtime.data.prepared import find_prepared
from hvaedsl_runtime.data.problems import unlisted
from hvaedsl_runtime.data.windows import centered, stored_images

ARRAYS = (".npy", ".npz")
DIGITS_OF_NAME = 6
READ = ", ".join(suffix.removeprefix(".") for suffix in SUFFIXES)
EXPECTED = f"name a folder of image files ({READ}), image files, or a .npy file"


@dataclass(frozen=True, slots=True)
class NamedImages:
    """Images in a fixed order, with a name for each: the path of a file below a common folder, or its index."""

    images: ImageSet
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    def changes(self) -> str:
        """Describe what was changed in the files; empty until all of them were read, and for an array."""
        files = stored_images(self.images).images
        return files.changes_of(self.images.members) if isinstance(files, FileImages) else ""


def given_images(paths: Sequence[Path], spec: DataSpec, size: int | ImageSize | None = None) -> NamedImages:
    """Open the images at `paths`, in their order; those of a folder in the order of their paths, at any depth.

    `size` is that of the stored images, as for `open_split`: they are fitted to it, and their centers are taken.
    No file but a .npy is read yet. Raises UsageError for paths that do not exist or do not go together, DataNotFound
    for a folder without images, InvalidData for an array, or a number of channels, that does not fit.
    """
    for path in paths:
        if not path.exists() and not path.is_symlink():  # a dead link is reported when it is read
            raise UsageError(f"IMAGES is {path}, which does not exist", help=EXPECTED)
    alone = next((path for path in paths if path.is_dir() or path.suffix.lower() in ARRAYS), None)
    if alone is not None and len(paths) > 1:
        raise UsageError(
            f"IMAGES has {alone} and {len(paths) - 1:,} more; a folder or a .npy file must be the only one",
            help="name one of them, or image files",
        )

    stored = _stored(paths, alone, spec.stored_at(size))
    return replace(stored, images=centered(stored.images, spec.shape))


def images_of_split(spec: DataSpec, split: Split, size: int | ImageSize | None = None) -> NamedImages:
    """Open a split of the dataset of a run. Raises as `open_split` does; no message proposes to change the spec."""
    return _numbered(open_split(spec, split, size=size, trained=True))


def _stored(paths: Sequence[Path], alone: Path | None, spec: DataSpec) -> NamedImages:
    """Open image files or, if one path is given that is none, a folder or an array."""
    if alone is None:
        return _of_files(paths, _names_of(paths), spec)
    if alone.is_dir():
        return _of_folder(alone, spec)
    images = open_npy(alone, spec, trained=True)
    return _numbered(image_set(spec, "test", images, np.arange(len(images))))


def fitting_of_run(spec: DataSpec) -> Fitting:
    """How the image files of a dataset are fitted: a folder as it was prepared or, if it was not, as `data.fit` says.

    Raises InvalidData for a damaged manifest of prepared images.
    """
    prepared = find_prepared(spec) if spec.dataset == "folder" or is_hub(spec.dataset) else None
    record = None if prepared is None else prepared.manifest.fit
    if record is None:
        return fitting_from(spec.fit)
    background = None if record.background is None else parse_background(record.background)
    return fitting_from(record.allowed, gray=record.gray, background=background)


def _of_folder(folder: Path, spec: DataSpec) -> NamedImages:
    try:
        tree = search(folder)
    except OSError as error:
        raise unlisted(error, folder) from error
    if not tree.names:
        taken = f"; not taken: {others_text(tree.others)}" if tree.others else ""
        raise DataNotFound(f"{folder}: found no image file{taken}", help=EXPECTED)
    return _of_files(list(tree.paths()), tree.names, spec, Layout({"all": tree}).notes())


def _of_files(paths: Sequence[Path], names: Sequence[str], spec: DataSpec, notes: tuple[str, ...] = ()) -> NamedImages:
    if spec.channels not in FILE_CHANNELS:
        raise InvalidData(
            f"the images of the run have {spec.channels} channels; image files are read as up to {FILE_CHANNELS[-1]}",
            help="name a .npy file",
        )
    files = image_files(paths, spec, fitting_of_run(spec), shades=spec.dataset != "folder", trained=True)
    return NamedImages(image_set(spec, "test", files, np.arange(len(files)), notes=notes), tuple(names))


def _numbered(images: ImageSet) -> NamedImages:
    return NamedImages(images, tuple(f"{index:0{DIGITS_OF_NAME}}" for index in range(len(images))))


def _names_of(paths: Sequence[Path]) -> list[str]:
    """The names of files; if two are equal, all paths below the folder that they share.

    Raises UsageError for a file that is given twice.
    """
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    absolute = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - `..` is resolved, and links are not
    name, times = Counter(absolute).most_common(1)[0]
    if times > 1:
        raise UsageError(f"IMAGES has {name} {times} times", help="name each file once")
    shared = os.path.commonpath(absolute)
    return [Path(path).relative_to(shared).as_posix() for path in absolute]
