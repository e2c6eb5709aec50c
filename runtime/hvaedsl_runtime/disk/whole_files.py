"""Files that are seen whole or not at all, the folders that they go into, and what is told where the system refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from hvaedsl.diagnostics.errors import WriteError

NO_ROOM, NOT_WRITABLE, NOT_THERE = "make room there", "make it writable", "see that the disk is there and sound"
REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), NO_ROOM),
    errno.EFBIG: "raise the limit on the size of a file",
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), NOT_WRITABLE),
    **dict.fromkeys(
        (errno.ENOENT, errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN), NOT_THERE
    ),
}


@contextmanager
def refusals_explained(place: Path | str, instead: str = "") -> Iterator[None]:
    """Turn what the system refuses inside into WriteError: the place, the reason, the remedy, or `instead` of that.

    The place is what the user named: where blocks are nested, the outermost one tells.
    """
    try:
        yield
    except WriteError as error:
        reason, remedy = error.reason, error.remedy
        raise _refused(place, reason, remedy, instead) from error
    except (OSError, RuntimeError) as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        reason, remedy = refusal.strerror or str(refusal), REMEDIES.get(refusal.errno or 0, "")
        raise _refused(place, reason, remedy, instead) from error


def partial_name(path: Path) -> Path:
    """The name beside `path`, of the same ending, under which it is written."""
    return path.with_name(f".{path.stem}.partial{path.suffix}")


@contextmanager
def put_in_place(path: Path) -> Iterator[Path]:
    """A name to write under; the file gets its own when the block ends well, else it is gone.

    A process, or a machine, that stops at any moment leaves the old file or the new one. Raises WriteError.
    """
    temporary = partial_name(path)
    with refusals_explained(path):
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
        finally:
            with suppress(OSError):  # where it cannot be removed, why it was not written says more
                temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes | memoryview) -> None:
    """Write a file, a text in UTF-8, whole or not at all. Raises WriteError."""
    with put_in_place(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def append_whole(file: FileIO, content: bytes) -> None:
    """Append to a file that was opened without a buffer: all of the content or, where that fails, nothing."""
    end = file.seek(0, os.SEEK_END)
    left = memoryview(content)
    try:
        while left:
            left = left[file.write(left) :]
    except BaseException:  # a signal's too
        with suppress(OSError):
            file.truncate(end)
        raise


def made_folder(folder: Path) -> Path:
    """The folder, made where it is missing. Raises WriteError, for a command that has --out."""
    with refusals_explained(f"the folder {folder}", "name another with --out"):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _refused(place: Path | str, reason: str, remedy: str, instead: str) -> WriteError:
    ways_out = ", or ".join(filter(None, (remedy, instead)))
    return WriteError(f"{place}: cannot be written: {reason}", reason=reason, remedy=remedy, help=ways_out)


def _refusal(error: BaseException | None) -> OSError | None:
    """What the system said. Torch raises an error of its own over it."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the system can do that for folders."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
