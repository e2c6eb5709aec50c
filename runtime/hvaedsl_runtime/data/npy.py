"""The dataset `npy`: images in .npy files, read on demand."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData, RunError
from hvaedsl.diagnostics.printable import joined
from hvaedsl.diagnostics.refusals import TOO_MANY_FILES
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.file_array import FileArray, FortranArray
from hvaedsl_runtime.data.image_tree import is_clutter
from hvaedsl_runtime.data.images import Images, ImageSet, Split, image_set
from hvaedsl_runtime.data.places import not_found, places
from hvaedsl_runtime.data.problems import unlisted
from hvaedsl_runtime.data.reals import images_of_array
from hvaedsl_runtime.data.splits import PartName, members, one_validation
from hvaedsl_runtime.disk.foreign_content import Foreign, foreign_content, packed_content, start_of

# Files that are never divided into all splits: without training images, a folder is incomplete.
OTHER_SPLITS = frozenset(("test.npy", "validation.npy", "val.npy", "valid.npy"))
NPY_MAGIC = b"\x93NUMPY"
ZIP_SIGNATURE = b"PK\x03\x04"
SCATTERED = (
    "{path} is in Fortran's order, in which the values of an image are scattered over the file, and single images are "
    "slow to read; `numpy.save(FILE, numpy.ascontiguousarray(images))` puts them together"
)
# Where the archive of torch.save has the pickle that names its tensors.
TORCH_PICKLE = "/data.pkl"
ONE_FILE = "set data.path to one of the files to divide it, or name them train.npy, test.npy and validation.npy"


def npy(spec: DataSpec, split: Split, *, trained: bool = False) -> ImageSet:
    """Open a split of train.npy, test.npy and, optionally, validation.npy in one folder, or of a single .npy file.

    Arrays are uint8 or uint16 [N, H, W, C], or floats for real values. validation.npy may also be called val.npy or
    valid.npy; without it, `data.validation` images of train.npy are held out. A single file, which may be the only one
    in the folder `data.path`, is divided: a tenth of the images are the test set, `data.validation` others the
    validation set. Splits are drawn with `split_seed`.
    `trained` as for `array_images`.
    Raises DataNotFound for missing files, InvalidData for arrays that do not fit the spec.
    """
    files = _files(spec)
    # Only the arrays of the split are opened; `members` asks for the length of another only if it divides it.
    part: PartName = "all" if "all" in files else split if split in files else "train"
    images = open_npy(files[part], spec, trained=trained)
    _, indices = members(spec, {name: len(images) for name in files}, split)
    notes = (SCATTERED.format(path=files[part]),) if split == "train" and _is_scattered(files[part]) else ()
    return image_set(spec, split, images, indices, notes=notes)


def _is_scattered(path: Path) -> bool:
    header = _header(path)
    return header is not None and header.fortran_order


def has_validation_file(spec: DataSpec) -> bool:
    """Whether there is a file of validation images. Raises InvalidData if there are two."""
    for place in places(spec):
        if place.is_file():
            return False
        if place.is_dir() and "train.npy" in (names := _file_names(place)):
            return one_validation(place, names, ".npy") is not None
    return False


def _files(spec: DataSpec) -> Mapping[PartName, Path]:
    """Find the file of each part, or the single file `all`. Raises DataNotFound or InvalidData."""
    for place in places(spec):
        if place.is_file():
            return {"all": place}
        if not place.is_dir():
            continue
        names = _file_names(place)
        if "train.npy" in names:
            return _split_files(place, names)

        # Other folders than data.path hold the files of other datasets.
        arrays = [name for name in names if name.endswith(".npy")]
        if spec.path is not None and len(arrays) == 1 and arrays[0] not in OTHER_SPLITS:
            return {"all": place / arrays[0]}
        if spec.path is not None and arrays:
            raise DataNotFound(f"{place}: found {', '.join(arrays)}, but no train.npy", help=ONE_FILE)
        if spec.path is not None and (archives := [name for name in names if name.endswith(".npz")]):
            raise _archive(place / archives[0])

    needed = f"{_type(spec)} arrays of shape [N, {', '.join(map(str, spec.shape))}]"
    raise not_found(spec, "train.npy and test.npy, or one .npy file", f"save {needed} in one of these folders")


def _file_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not is_clutter(path.name) and path.is_file())


def _split_files(folder: Path, names: list[str]) -> Mapping[PartName, Path]:
    validation = one_validation(folder, names, ".npy")
    if "test.npy" not in names:
        others = ", ".join(name for name in names if name.endswith(".npy") and name != "train.npy")
        raise DataNotFound(
            f"{folder}: found train.npy but no test.npy" + (f"; the other arrays are {others}" if others else ""),
            help="add test.npy, or set data.path to train.npy itself to hold a test set out of it",
        )
    files: dict[PartName, Path] = {"train": folder / "train.npy", "test": folder / "test.npy"}
    return files if validation is None else {**files, "validation": folder / validation}


def open_array(path: Path) -> FileArray:
    """Open the array of a .npy file.

    Raises ValueError for a file that is none, is truncated, or has objects; OSError if the system does not open it.
    """
    header = _read_header(path)
    if header.dtype.hasobject:
        raise ValueError("it has objects")
    if path.stat().st_size < header.end:
        raise ValueError("it is shorter than its array")
    kind = FortranArray if header.fortran_order else FileArray
    return kind(path, header.shape, header.dtype, header.start)


def open_npy(path: Path, spec: DataSpec, *, trained: bool = False) -> Images:
    """Open a .npy file. Raises InvalidData if it cannot be read or its array does not fit the spec.

    `trained` as for `array_images`.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(ZIP_SIGNATURE)) == ZIP_SIGNATURE:
                raise _archive(path)
        pixels = open_array(path)
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, OSError) and error.errno in TOO_MANY_FILES:
            raise unlisted(error, path) from error
        if (foreign := _foreign(path)) is not None:
            raise InvalidData(f"{path}: not a readable .npy file: {foreign.what}", help=foreign.help) from error
        header = _header(path)
        if header is not None and header.dtype.hasobject:
            raise InvalidData(
                f"{path}: the array has type object; it must be {_type(spec)} [N, H, W, C]",
                help="stack the images to one array, `images = numpy.stack(list(images))`, and save it with numpy.save",
            ) from error
        if (wrong := wrong_size(path)) is not None:
            raise InvalidData(f"{path}: not a readable .npy file: {wrong.what}", help=wrong.help) from error
        raise InvalidData(
            f"{path}: not a readable .npy file ({joined(error)}); it must hold a {_type(spec)} array [N, H, W, C]",
            help="save the images with numpy.save",
        ) from error
    if (wrong := wrong_size(path)) is not None:
        raise InvalidData(f"{path}: {wrong.what}", help=wrong.help)
    return images_of_array(pixels, spec, str(path), trained=trained)


def _type(spec: DataSpec) -> str:
    return "float32" if spec.is_real else "uint8"


def npy_header(shape: tuple[int, ...], dtype: npt.DTypeLike = np.uint8) -> bytes:
    """The start of a .npy file of an array of this shape; the bytes of the array follow it."""
    buffer = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


class _Header(NamedTuple):
    """What the header of a .npy file says; `start` is the offset of the array in bytes."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    start: int

    @property
    def end(self) -> int:
        """The size in bytes that a file of this header and array has."""
        return self.start + math.prod(self.shape) * self.dtype.itemsize


def wrong_size(path: Path) -> Foreign | None:
    """Say that a .npy file is truncated, or has more than its array, of which numpy reads only the first.

    None if it is neither, or has no header that can be read.
    """
    header = _header(path)
    if header is None or header.dtype.hasobject or (size := path.stat().st_size) == header.end:
        return None
    if size < header.end:
        return Foreign(f"it is truncated: it has {size:,} of {header.end:,} bytes", "copy, download or save it again")

    with path.open("rb") as file:
        file.seek(header.end)
        more = "another array" if file.read(len(NPY_MAGIC)) == NPY_MAGIC else "something else"
    return Foreign(
        f"after its array of shape {list(header.shape)}, {more} follows: it has {size:,} bytes, and the array ends at "
        f"{header.end:,}",
        "save one array: if files were joined, join the arrays instead, "
        "`numpy.save(FILE, numpy.concatenate([numpy.load(PART), ...]))`",
    )


def _header(path: Path) -> _Header | None:
    """Read the header of a .npy file; None if it has none."""
    try:
        return _read_header(path)
    except (OSError, ValueError, EOFError):
        return None


def _read_header(path: Path) -> _Header:
    """Read the header of a .npy file. Raises ValueError if it has none, OSError if the system does not open it."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        try:
            header = _Header(*read(file), file.tell())
        except (tokenize.TokenError, SyntaxError) as error:  # numpy splits the header of old files into tokens
            raise ValueError("its header is damaged") from error
    if any(size < 0 for size in header.shape):
        raise ValueError(f"its header has the shape {list(header.shape)}")
    return header


def _foreign(path: Path) -> Foreign | None:
    try:
        start = start_of(path)
    except OSError:
        return None
    return foreign_content(start) or packed_content(path, start)


def _archive(path: Path) -> RunError:
    """Make the error for an .npz file, which is not read by index; it names the arrays in it.

    Files of torch.save, and archives of images, are zip archives too.
    """
    names: list[str] = []
    contents: list[str] = []
    try:
        with zipfile.ZipFile(path) as archive:
            contents = archive.namelist()
            names = [name.removesuffix(".npy") for name in contents if name.endswith(".npy")]
    except (OSError, zipfile.BadZipFile):
        return InvalidData(f"{path}: a damaged .npz file", help="save the images with numpy.save")
    if any(name.endswith(TORCH_PICKLE) for name in contents):
        return InvalidData(
            f"{path}: it is a file of torch.save; images must be in .npy files",
            help=f'convert it with `numpy.save("{path.with_suffix(".npy").name}", torch.load("{path.name}").numpy())`',
        )
    if not names:
        packed = packed_content(path, ZIP_SIGNATURE)
        assert packed is not None
        return InvalidData(
            f"{path}: {packed.what} without a .npy file; images must be in .npy files",
            help=f"{packed.help}; for a folder of image files, set data.dataset to folder",
        )
    array = names[0] if len(names) == 1 else "NAME"
    return InvalidData(
        f"{path}: an .npz file of the arrays {', '.join(names[:10])}; images must be in .npy files",
        help=f'convert it with `numpy.save("{path.with_suffix(".npy").name}", numpy.load("{path.name}")["{array}"])`',
    )
