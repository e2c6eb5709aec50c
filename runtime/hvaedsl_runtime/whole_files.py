"""Files that are seen whole or not at all, and the folders that they go into."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hvaedsl.errors import RunError


def partial_name(path: Path) -> Path:
    """The name beside `path`, of the same ending, under which it is written."""
    return path.with_name(f".{path.stem}.partial{path.suffix}")


@contextmanager
def put_in_place(path: Path) -> Iterator[Path]:
    """A name to write under; the file gets its own when the block ends well, else it is gone.

    A process, or a machine, that stops at any moment leaves the old file or the new one. Raises OSError.
    """
    temporary = partial_name(path)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file, a text in UTF-8, whole or not at all. Raises OSError."""
    with put_in_place(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def made_folder(folder: Path) -> Path:
    """The folder, made where it is missing. Raises RunError (5) where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"cannot create the folder {folder}: {error.strerror}", help="name another with --out", exit_code=5
        ) from None
    return folder


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the system can do that for folders."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
