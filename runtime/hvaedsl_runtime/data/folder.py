"""The dataset `folder`: image files in folders for splits, in one folder, or in a folder for each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.file_images import FileImages
from hvaedsl_runtime.data.fingerprint import names_checksum
from hvaedsl_runtime.data.fitting import Fitting, fitting_from
from hvaedsl_runtime.data.image_tree import (
    NO_SUFFIX_IMAGE,
    SUFFIXES,
    Tree,
    identity_of,
    others_text,
    renaming,
    search,
    visible_folders,
)
from hvaedsl_runtime.data.images import ImageSet, Split, image_set
from hvaedsl_runtime.data.places import DATA_PATH, GIVEN, not_found, places
from hvaedsl_runtime.data.split_names import folder_of_another_split, folders_of_splits, is_split_name, nested_splits
from hvaedsl_runtime.data.splits import PartName, members, one_validation
from hvaedsl_runtime.data.tiff_file import require_tifffile
from hvaedsl_runtime.disk.foreign_content import packed_content, start_of

# The way out for folders of classes that have the names of splits.
RENAME_CLASSES = "if they are classes, rename them"
SOME = 3


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the images of each part are; `unsearched` says what lies beside them, a line each."""

    parts: Mapping[PartName, Tree]
    unsearched: tuple[str, ...] = ()

    def images(self, spec: DataSpec, fitting: Fitting, *, trained: bool = False) -> dict[PartName, FileImages]:
        """Return the images of each part; `trained` as for `FileImages`."""
        return {part: image_files(tree.paths(), spec, fitting, trained=trained) for part, tree in self.parts.items()}

    def notes(self) -> tuple[str, ...]:
        """Say what of the folder is not taken, and what is taken more than once, a line each.

        If there are symbolic links, the file system's entry of every image is read.
        """
        others = sum((tree.others for tree in self.parts.values()), Counter[str]())
        lines = [f"files that are not taken ({others.total():,}): {others_text(others)}"] if others else []
        lines += self.unsearched
        if loops := [str(tree.root / name) for tree in self.parts.values() for name in tree.loops]:
            lines.append(
                f"links to a folder that contains them, which are not followed ({len(loops):,}): {_some(loops)}"
            )
        if any(tree.has_links for tree in self.parts.values()):
            lines += _repetitions(self.parts)
        return tuple(lines)


def image_files(
    paths: Iterable[Path], spec: DataSpec, fitting: Fitting, *, shades: bool = False, trained: bool = False
) -> FileImages:
    """Return the images in files, with the shape and levels of a spec.

    Raises UsageError if one is a TIFF file by its name, and the package that reads it is not installed.
    """
    files = tuple(paths)
    require_tifffile(files)
    return FileImages(files, spec.shape, spec.levels, fitting, shades, trained)


def folder(spec: DataSpec, split: Split, *, trained: bool = False) -> ImageSet:
    """Open a split of an image folder; `folder_layout` says how it is laid out.

    Files are png, jpg, jpeg, webp, bmp, tif and tiff, in the order of their paths. An image that is not height x width
    is cropped to the largest center of this ratio and resized with an antialiasing bilinear filter, or refused, as
    `data.fit` says. Without a folder of validation images, `data.validation` images of `train` are held out. Files of
    one part are divided: a tenth of the images are the test set, `data.validation` others the validation set. Splits
    are drawn with `split_seed`. `trained` as for `FileImages`.
    Raises DataNotFound for missing images, InvalidData for folders that contradict each other.
    """
    layout = folder_layout(spec)
    parts = layout.images(spec, fitting_from(spec.fit), trained=trained)
    part, indices = members(spec, {name: len(images) for name, images in parts.items()}, split)
    notes = layout.notes() if split == "train" else ()
    return image_set(spec, split, parts[part], indices, notes=notes, checksums=names_checksum(layout.parts[part].names))


def folder_layout(spec: DataSpec, searched: Mapping[Path, str] | None = None) -> Layout:
    """Find the image files: in train, test and perhaps validation; directly in the folder; or in folders of classes.

    `searched` are the folders to search, each with the setting or option that names it; by default, those of the spec.
    A folder that has image files itself is read without the folders in it. Folders of classes are not read from the
    cache folder and HVAEDSL_DATA, which hold other datasets. Splits and classes are searched recursively.
    Raises DataNotFound for missing images, InvalidData for two folders of validation images.
    """
    searched = places(spec) if searched is None else searched
    others: Counter[str] = Counter()
    for place, setting in searched.items():
        if not place.is_dir():
            continue
        folders = visible_folders(place)
        if "train" in folders:
            return _splits(place, folders, setting)

        flat = search(place, deep=False)
        if flat.names:
            return Layout({"all": flat}, _beside("the image files", folders))
        _refuse_split_names(place, folders, setting)
        if setting in GIVEN:
            classes = search(place)
            if classes.names:
                _refuse_nested_splits(place, classes, setting)
                return Layout({"all": classes})
            others += classes.others
    raise _missing(spec, searched, others)


def has_validation_folder(spec: DataSpec) -> bool:
    """Whether there is a folder of validation images. Raises InvalidData if there are two."""
    for place in places(spec):
        if place.is_dir() and "train" in (folders := visible_folders(place)):
            return one_validation(place, folders) is not None
    return False


def _splits(root: Path, folders: list[str], setting: str) -> Layout:
    validation = one_validation(root, folders)
    names: dict[PartName, str] = {"train": "train", "test": "test"}
    if validation is not None:
        names["validation"] = validation

    if "test" not in folders:
        found = ", ".join(f"{name}/" for name in folders)
        raise DataNotFound(
            f"{root}: found no folder test beside train; the folders are {found}",
            help=f"put test images into a folder test, or {_set(setting)} to one folder of image files, of which a "
            "tenth is held out for testing; if train is a class, rename it",
        )
    parts = {part: search(root / name) for part, name in names.items()}
    for part, tree in parts.items():
        if not tree.names:
            taken, has_unnamed = others_text(tree.others), NO_SUFFIX_IMAGE in tree.others
            raise DataNotFound(
                f"{tree.root}: found no image file" + (f"; not taken: {taken}" if taken else ""),
                help=(f"rename the images, for example with {renaming(tree.root)}; or " if has_unnamed else "")
                + f"add images to the folder {names[part]}"
                + (", or remove it" if part == "validation" else "; train and test must each have at least one"),
            )
        if (other := folder_of_another_split(part, tree.names)) is not None:
            raise DataNotFound(
                f"{tree.root}: the folder of the split {part} holds {other}/, whose name is that of another split",
                help=f"move {other}/ out of {names[part]}/, or rename it if it is a class",
            )
    loose = search(root, deep=False).names
    are = "is" if len(loose) == 1 else "are"
    beside = [f"{counted(len(loose), 'image file')} beside train {are} not taken: {_some(loose)}"] if loose else []
    return Layout(parts, (*beside, *_beside("train", [name for name in folders if name not in names.values()])))


def _refuse_split_names(place: Path, folders: list[str], setting: str) -> None:
    """Refuse folders that are meant as splits, and would be read as classes. Raises DataNotFound.

    Beside the cache's datasets, whose names may have any words, only whole names count.
    """
    pairs = folders_of_splits(folders) if setting in GIVEN else []
    meant = [name for name in folders if is_split_name(name) or name in pairs]
    if meant:
        raise DataNotFound(
            f"{place}: found {_some([f'{name}/' for name in meant])} but no folder train",
            help=f"name the folders train, test and, if there are validation images, validation; or {_set(setting)} to "
            f"the folder with the images; {RENAME_CLASSES}",
        )


def _refuse_nested_splits(place: Path, classes: Tree, setting: str) -> None:
    """Refuse to merge the splits of a dataset that lies deeper. Raises DataNotFound."""
    nested = nested_splits(classes.names)
    if not nested:
        return
    (name, splits), *others = nested.items()
    move = "move the images of each split into one folder, train/CLASS, test/CLASS"
    where = (
        "the folders " + _some([f"{inner}/" for inner in nested]) + " hold" if others else f"the folder {name}/ holds"
    )
    raise DataNotFound(
        f"{place}: {where} the splits {_some(splits)}",
        help=f"{move if others else f'{_set(setting)} to {place / name}'}; {RENAME_CLASSES}",
    )


def _repetitions(parts: Mapping[PartName, Tree]) -> Iterator[str]:
    """Say how many paths lead to a file that another path of the part, or of another part, leads to."""
    found = {
        part: [identity for path in tree.paths() if (identity := identity_of(path))] for part, tree in parts.items()
    }
    for part, identities in found.items():
        if again := len(identities) - len(set(identities)):
            yield f"{again:,} of {len(identities):,} paths ({part}) are links to a file that counts again for each"

    different = [set(identities) for identities in found.values()]
    if across := sum(map(len, different)) - len(set().union(*different)):
        yield f"files that are in more than one of {', '.join(parts)}: {across:,}"


def _beside(images: str, folders: list[str]) -> tuple[str, ...]:
    """Say that folders beside `images` are not searched."""
    return (f"folders beside {images} are not searched: {_some([f'{name}/' for name in folders])}",) if folders else ()


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SOME:,} more" if len(names) > SOME else ""
    return ", ".join(names[:SOME]) + more


def _set(setting: str) -> str:
    """`setting` for the user who gave it, or the one that names one folder, for the others."""
    return f"set {setting if setting in GIVEN else DATA_PATH}"


def _missing(spec: DataSpec, searched: Mapping[Path, str], others: Counter[str]) -> DataNotFound | InvalidData:
    """Make the error for folders without images; it says what the folders hold instead."""
    kinds = ", ".join(suffix.removeprefix(".") for suffix in SUFFIXES)
    file, setting = next(iter(searched.items()), (Path(), ""))  # there may be no place at all
    if setting in GIVEN and file.is_file():
        needs = f"the dataset folder needs a folder of image files ({kinds})"
        if (packed := packed_content(file, start_of(file))) is not None:
            return InvalidData(
                f"{setting} is {file}; {packed.what}, and {needs}",
                help=f"{packed.help}, then {_set(setting)} to the folder that it was unpacked to",
            )
        return InvalidData(f"{setting} is {file}, a file; {needs}", help="for a .npy file, set data.dataset to npy")
    found = f"; found only {others_text(others)}" if others else ""
    given = setting in GIVEN
    layouts = ("folders train and test", f"one folder of image files ({kinds})", *(["a folder for each class"] * given))
    expected = f"{', '.join(layouts[:-1])}{',' if given else ''} or {layouts[-1]}"
    error = not_found(spec, expected, "put the files there", searched)
    if not given and (classes := _folders_of_images(searched)):
        place, names = classes
        return DataNotFound(
            f"{error}; {place} has folders of image files ({_some([f'{name}/' for name in names])}), which are read as "
            f"classes only if {DATA_PATH} names their folder",
            help=f"{_set(setting)} to {place} if they are classes, or to the one of them that has the images",
        )
    if NO_SUFFIX_IMAGE in others:
        return DataNotFound(f"{error}{found}", help=f"rename the images, for example with {renaming(file)}")
    return DataNotFound(f"{error}{found}", help=error.help)


def _folders_of_images(searched: Mapping[Path, str]) -> tuple[Path, list[str]] | None:
    """The first of the places that has folders of image files directly in it, with their names."""
    for place in searched:
        names: list[str] = []
        with suppress(OSError):  # one that cannot be listed has nothing to propose
            names += [name for name in visible_folders(place) if search(place / name, deep=False).names]
        if names:
            return place, names
    return None
