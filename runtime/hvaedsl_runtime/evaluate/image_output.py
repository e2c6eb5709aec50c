"""The output of a command that computes images: a picture, an array in a .npz or .npy file, or a folder of images.

Arrays and folders are what the field's evaluations of images read: pytorch-fid and clean-fid read folders of PNG files,
the evaluator of openai/guided-diffusion a .npz file with uint8 [N, H, W, C] under `arr_0`. They are written image by
image, so that the memory does not depend on the number of images. Real values are float32 in the unit of the run's
files; a folder of them has a .npy file for each image.
"""

from __future__ import annotations

import itertools
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hvaedsl.diagnostics.diagnostic import listing
from hvaedsl.diagnostics.errors import OutputExists, UsageError
from hvaedsl.diagnostics.refusals import ANOTHER_FILE, ANOTHER_FOLDER, refusals_explained
from hvaedsl.ir.spec import Spec
from hvaedsl_runtime.data import AnyPreparation
from hvaedsl_runtime.data.file_images import shades_of_levels
from hvaedsl_runtime.data.given_images import DIGITS_OF_NAME
from hvaedsl_runtime.data.images import Values
from hvaedsl_runtime.data.levels import EIGHT_BIT_LEVELS
from hvaedsl_runtime.data.npy import npy_header
from hvaedsl_runtime.data.places import folder_name, places
from hvaedsl_runtime.data.stored_channels import COLOR_CHANNELS
from hvaedsl_runtime.disk.run_folder import RunFolder, check_output_path, content_of
from hvaedsl_runtime.disk.whole_files import A_STREAM, check_replaceable, is_stream, put_folder_in_place, put_in_place
from hvaedsl_runtime.evaluate.pictures import brightest_of, save_samples

Kind = Literal["picture", "npz", "npy", "folder"]
KINDS: dict[str, Kind] = {".png": "picture", ".npz": "npz", ".npy": "npy"}
FILE_OR_FOLDER = f"name a file in {listing(KINDS)}, or a folder"
# The first date of zip files: the same images give the same bytes at any time.
ZIP_DATE = (1980, 1, 1, 0, 0, 0)

# Takes the next images, [n, H, W, C]: levels, or 0 to 255 for binary images; or real values.
Write = Callable[[Tensor], None]


@dataclass(frozen=True, slots=True)
class ImageOutput:
    """Where images are written, and as what."""

    path: Path
    kind: Kind

    @classmethod
    def named(cls, written: str) -> ImageOutput:
        """Read the value of --out: a name in .png, .npz or .npy is a file, one without a suffix or with / a folder.

        Raises UsageError for another suffix, for `-` and other streams, and for a file that is a folder or is in none.
        """
        path = Path(written)
        kind = KINDS.get(path.suffix.lower())
        if written == "-":
            raise UsageError("--out is -; images are written into files", help=FILE_OR_FOLDER)
        if is_stream(path):
            raise UsageError(f"--out is {written}, {A_STREAM}", help=FILE_OR_FOLDER)
        if written.endswith(("/", os.sep)) or path.name in ("", "..") or not path.suffix:
            return cls(path, "folder")
        if kind is None and path.is_dir():
            return cls(path, "folder")
        if kind is None:
            raise UsageError(
                f"--out is {written}; a file must end in {listing(KINDS)}", help=f"for a folder, write {written}/"
            )
        if path.is_dir() or not path.parent.is_dir():
            raise UsageError(
                f"--out is {written}; it must name a file that ends in {path.suffix}, in an existing folder"
            )
        return cls(path, kind)

    @property
    def instead(self) -> str:
        """What else the user can do if it cannot be written."""
        return ANOTHER_FOLDER if self.kind == "folder" else ANOTHER_FILE

    def check(self, spec: Spec, *, replace: bool = False) -> None:
        """Check the output before the work for its content is done.

        Raises UsageError for images that a PNG file cannot hold and for a place that a run or a user needs,
        OutputExists for a folder that is not empty and, unless it is to be replaced, for an array, WriteError for a
        place that takes no files.
        """
        if self.kind != "folder" and self.path.exists():
            self._check_existing(spec, replace=replace)
        if self.kind == "folder":
            self._check_png(spec)
            self._check_folder()
        check_output_path(self.path, self.instead)

    @contextmanager
    def opened(
        self, spec: Spec, count: int, names: Sequence[str] | None = None, preparation: AnyPreparation | None = None
    ) -> Iterator[Write]:
        """Yield a function that takes all images in order; the output gets its name when the block ends.

        `count` is the number of all images. `names` are paths relative to a common folder: those of the files in a
        folder, which are numbered otherwise, and an array of a .npz file. A picture shows the range of values of the
        `preparation`. Raises WriteError.
        """
        with refusals_explained(self.path, self.instead), self._writer(spec, count, names, preparation) as write:
            yield write

    def _writer(
        self, spec: Spec, count: int, names: Sequence[str] | None, preparation: AnyPreparation | None
    ) -> AbstractContextManager[Write]:
        match self.kind:
            case "picture":
                return _picture(self.path, spec, preparation)
            case "npz":
                return _npz(self.path, count, names)
            case "npy":
                return _npy(self.path, count)
            case "folder":
                return _folder(self.path, spec, names)

    def _check_existing(self, spec: Spec, *, replace: bool) -> None:
        """Raise UsageError for a file of the run's images, OutputExists for an array that is not to be replaced.

        Pictures are replaced, as pictures of training are.
        """
        real, data = Path(os.path.realpath(self.path)), spec.data
        in_run = any(RunFolder(above).spec.is_file() for above in real.parents)  # which may lie beside the images
        for place in () if in_run else places(data):
            images = Path(os.path.realpath(place if data.path is not None else place / folder_name(data.dataset)))
            if real.is_relative_to(images):
                raise UsageError(f"--out is {self.path}, a file among the images of the run", help=self.instead)
        if self.kind != "picture" and not replace:
            raise OutputExists(f"{self.path} already exists", help=f"replace it with --force, or {self.instead}")

    def _check_png(self, spec: Spec) -> None:
        """Raise UsageError for images of levels that PNG files cannot hold; a picture shows the chosen channels."""
        if spec.data.is_real:
            return
        channels, levels = spec.data.channels, spec.data.levels
        array = "write an array: name a file in .npz or .npy"
        if channels not in COLOR_CHANNELS:
            raise UsageError(
                f"--out is {self.path}; PNG files are written with 1 or 3 channels, and the images have {channels}",
                help=array,
            )
        if channels > 1 and levels > EIGHT_BIT_LEVELS:
            raise UsageError(
                f"--out is {self.path}; PNG files in color are written with 8 bits per channel, and the images have "
                f"{levels:,} levels",
                help=array,
            )

    def _check_folder(self) -> None:
        """Raise UsageError or OutputExists unless the folder is new or empty, and can be replaced by a full one."""
        real = Path(os.path.realpath(self.path))
        with refusals_explained(self.path, ANOTHER_FOLDER):
            if real.is_dir() and any(real.iterdir()):
                raise OutputExists(f"{self.path} is not empty: it has {content_of(real)}", help=ANOTHER_FOLDER)
        if real.exists() and not real.is_dir():
            raise OutputExists(f"{self.path} is not a folder", help=ANOTHER_FOLDER)
        check_replaceable(self.path)


@contextmanager
def _picture(path: Path, spec: Spec, preparation: AnyPreparation | None) -> Iterator[Write]:
    """All images as one picture, which is computed from all of them at once."""
    images: list[Tensor] = []
    yield images.append
    save_samples(path, torch.cat(images), spec, preparation)


@contextmanager
def _npy(path: Path, count: int) -> Iterator[Write]:
    with put_in_place(path) as temporary, temporary.open("wb") as file, _array(file, count) as write:
        yield write


@contextmanager
def _npz(path: Path, count: int, names: Sequence[str] | None) -> Iterator[Write]:
    with put_in_place(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        with _entry(archive, "arr_0.npy") as entry, _array(entry, count) as write:
            yield write
        if names is not None:
            with _entry(archive, "names.npy") as entry:
                np.lib.format.write_array(entry, np.array(names), allow_pickle=False)


def _entry(archive: zipfile.ZipFile, name: str) -> AbstractContextManager[BinaryIO]:
    """A file in an archive, not compressed; `numpy.savez` writes such archives, but for the date."""
    return archive.open(zipfile.ZipInfo(name, ZIP_DATE), "w", force_zip64=True)  # type: ignore[return-value]  # typeshed


@contextmanager
def _array(file: BinaryIO, count: int) -> Iterator[Write]:
    """Write an array in the format of .npy, of the shape and type that the first images have.

    Raises ValueError if there are more or fewer images than `count`.
    """
    written = 0

    def write(images: Tensor) -> None:
        nonlocal written
        values = as_values(images)
        if not written:
            file.write(npy_header((count, *values.shape[1:]), values.dtype))
        written += len(values)
        file.write(values.tobytes())

    yield write
    if written != count:
        raise ValueError(f"{written} images were written, of {count}")


@contextmanager
def _folder(path: Path, spec: Spec, names: Sequence[str] | None) -> Iterator[Write]:
    """A PNG file for each image, gray or RGB; of real values a .npy file, float32 [H, W, C].

    A PNG file has what the dataset's image files have: levels, if the dataset is a folder of them; otherwise shades
    from 0 to 255 or, if there are more than 256 levels, from 0 to 65,535.
    """
    is_real = spec.data.is_real
    shades = None if is_real or spec.data.dataset == "folder" else shades_of_levels(brightest_of(spec) + 1)
    suffix = ".npy" if is_real else ".png"
    stems = iter(_stems(names, suffix)) if names is not None else (f"{i:0{DIGITS_OF_NAME}}" for i in itertools.count())

    with put_folder_in_place(path) as temporary:

        def write(images: Tensor) -> None:
            values = as_values(images)
            for image in values if shades is None else shades[values]:
                file = temporary / f"{next(stems)}{suffix}"
                if names is not None:
                    file.parent.mkdir(parents=True, exist_ok=True)
                if is_real:
                    np.save(file, image)
                    continue
                Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file)

        yield write


def as_values(images: Tensor) -> Values:
    """Levels as an array, uint8, or uint16 for the int32 of more than 256 levels; or real values, float32."""
    return images.numpy().astype(np.uint16) if images.dtype == torch.int32 else images.numpy()


def _stems(names: Sequence[str], suffix: str) -> list[str]:
    """The names of images without their suffix, unless two are then equal, or a file is then called as a folder is."""
    plain = [str(PurePosixPath(name).with_suffix("")) for name in names]
    folders = {str(parent) for stem in plain for parent in PurePosixPath(stem).parents}
    are_apart = len(set(plain)) == len(plain) and folders.isdisjoint(f"{stem}{suffix}" for stem in plain)
    return plain if are_apart else list(names)
