"""The image files below a folder: found in one walk that follows symbolic links and counts what it does not take."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hvaedsl.diagnostics.numbers import counted
from hvaedsl.diagnostics.shell import path_word

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
# Suffixes of images in formats that are not read; other files are no images.
OTHER_IMAGES = frozenset(
    (".avif", ".cr2", ".dng", ".gif", ".heic", ".heif", ".ico", ".jfif", ".jp2", ".jpe", ".jxl", ".nef", ".pbm", ".pgm")
) | frozenset((".ppm", ".psd", ".svg", ".tga"))
ARCHIVES = frozenset((".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip", ".zst"))
# Suffixes of JPEG files that are not taken.
OTHER_JPEG = frozenset((".jfif", ".jpe"))
# In place of the suffix: files without one that begin like an image (PNG, JPEG, WebP, BMP, TIFF).
NO_SUFFIX_IMAGE = "without a suffix, images"
IMAGE_START = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|RIFF.{4}WEBP|BM.{4}\0{4}|II[*+]\0|MM\0[*+]", re.DOTALL)
# In place of the suffix: folders of a run or a sweep, whose pictures are results and no data.
RUN_FOLDER = "folder of a run or a sweep"
RUN_FOLDERS = "folders of runs or sweeps"
RUN_FILES = ("run.json", "sweep.json")
# What operating systems put beside a user's files, in lower case; hidden files are skipped too.
CLUTTER = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "icon\r"))


@dataclass
class Tree:
    """The image files below `root`, sorted by their path relative to it, with /; the same order on every platform.

    `others` counts the files that are not taken by their suffix, or NO_SUFFIX_IMAGE; under RUN_FOLDER, folders that are
    not searched. `loops` are links to a folder that
    contains them.
    """

    root: Path
    names: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    loops: list[str] = field(default_factory=list)
    has_links: bool = False

    def paths(self) -> Iterator[Path]:
        """Yield the image files."""
        return (self.root / name for name in self.names)

    def size(self) -> int:
        """The total size of the image files in bytes; reading a missing one fails later, with its name."""
        total = 0
        for name in self.names:
            with suppress(OSError):
                total += os.stat(os.path.join(self.root, name)).st_size  # noqa: PTH116, PTH118 - over a million files
        return total


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder to search: its path below the root, where it really is, and the folders that were passed on the way."""

    path: str
    prefix: str
    real: str
    above: tuple[str, ...]


def is_clutter(name: str) -> bool:
    """Whether a file or folder is hidden, or was made by an operating system: it is skipped without a word."""
    return name.startswith(".") or name.lower() in CLUTTER


def visible_folders(root: Path) -> list[str]:
    """Return the names of the folders in `root`, and of links to folders, sorted. Raises OSError."""
    with os.scandir(root) as entries:
        return sorted(entry.name for entry in entries if not is_clutter(entry.name) and _is_folder(entry))


def search(root: Path, suffixes: tuple[str, ...] = SUFFIXES, *, deep: bool = True) -> Tree:
    """Find the image files in `root` and, if `deep`, below it. Links are followed, unless they lead back upwards.

    A link to a file that does not exist or is not accessible is taken: reading it fails, and the message names it. Only
    files without a suffix are opened, to tell images from others.
    Raises OSError if a folder cannot be listed.
    """
    tree = Tree(root)
    real = os.path.realpath(root)
    pending = [_Folder(str(root), "", real, (real,))]
    while pending:
        folder = pending.pop()
        if folder.prefix and _is_of_run(folder.path):
            tree.others[RUN_FOLDER] += 1
            continue
        with os.scandir(folder.path) as entries:
            for entry in entries:
                if is_clutter(entry.name):
                    continue
                if not _is_folder(entry):
                    _add_file(tree, entry, folder.prefix + entry.name, suffixes)
                elif deep and (inner := _entered(tree, folder, entry)) is not None:
                    pending.append(inner)

    tree.names.sort()
    return tree


def _is_of_run(folder: str) -> bool:
    return any(os.path.isfile(os.path.join(folder, name)) for name in RUN_FILES)  # noqa: PTH113, PTH118 - as elsewhere here


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one. False, not an exception, for a link that cannot be followed."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _add_file(tree: Tree, entry: os.DirEntry[str], name: str, suffixes: tuple[str, ...]) -> None:
    link = entry.is_symlink()
    tree.has_links = tree.has_links or link
    suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - over a million files
    if suffix in suffixes and (link or entry.is_file()):
        tree.names.append(name)
    else:
        tree.others[NO_SUFFIX_IMAGE if not suffix and _begins_like_image(entry) else suffix] += 1


def _begins_like_image(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a regular file that begins like an image of a format that is read."""
    try:
        if not entry.is_file():  # a pipe would wait for its writer
            return False
        with open(entry.path, "rb") as file:  # noqa: PTH123 - over a million files
            return IMAGE_START.match(file.read(12)) is not None
    except OSError:
        return False


def _entered(tree: Tree, folder: _Folder, entry: os.DirEntry[str]) -> _Folder | None:
    """Return a folder inside `folder`; None for one that was passed on the way or that contains the root."""
    link = entry.is_symlink()
    tree.has_links = tree.has_links or link
    real = os.path.realpath(entry.path) if link else os.path.join(folder.real, entry.name)  # noqa: PTH118
    name = folder.prefix + entry.name

    # Without a link there is no way back up.
    if tree.has_links and any(
        above == real or above.startswith(real.rstrip(os.sep) + os.sep) for above in folder.above
    ):
        tree.loops.append(name)
        return None
    return _Folder(entry.path, f"{name}/", real, (*folder.above, real))


def others_text(others: Mapping[str, int]) -> str:
    """Describe the files that are not taken, by suffix and reason; empty if there are none."""
    groups: dict[str, list[str]] = {}
    for suffix, files in sorted(others.items(), key=lambda item: (-item[1], item[0])):
        if suffix == RUN_FOLDER:
            groups.setdefault("their pictures are results", []).append(counted(files, RUN_FOLDER, RUN_FOLDERS))
            continue
        if suffix == NO_SUFFIX_IMAGE:
            reason = "images; rename them to end in .png or .jpg"
        elif suffix in OTHER_JPEG:
            reason = "JPEG files; rename them to end in .jpg"
        elif suffix in OTHER_IMAGES:
            reason = "image formats that are not read; convert them to PNG"
        elif suffix in SUFFIXES:
            reason = "not regular files"
        elif suffix in ARCHIVES:
            reason = "archives; unpack them"
        else:
            reason = "not images"
        groups.setdefault(reason, []).append(f"{files:,} {suffix if suffix.startswith('.') else 'without a suffix'}")
    return "; ".join(f"{', '.join(found)} ({reason})" for reason, found in groups.items())


def renaming(root: Path) -> str:
    """The command that gives the files without a suffix below a folder one; any suffix is read as what it contains."""
    return f"`find {path_word(root)} -type f ! -name '*.*' -exec mv {{}} {{}}.png \\;`"


def identity_of(path: Path) -> tuple[int, int] | None:
    """Return the device and number of a file, which all its paths share; None for a link to no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
