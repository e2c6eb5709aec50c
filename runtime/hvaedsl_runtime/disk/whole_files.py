"""Files that are written whole or not at all, their folders, and readable errors if the system refuses to write."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from hvaedsl.diagnostics.errors import WriteError

NO_ROOM, NOT_WRITABLE, NOT_THERE = (
    "free some space there",
    "make it writable",
    "check that the disk is mounted",
)
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
    """Turn the system's errors in the block into WriteError: the place, the reason, and the remedy or `instead`.

    `place` is what the user named: of nested blocks, the outermost one is reported.
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
    """The temporary name of a file while it is written: in the same folder, with the same suffix."""
    return path.with_name(f".{path.stem}.partial{path.suffix}")


@contextmanager
def put_in_place(path: Path) -> Iterator[Path]:
    """Yield a temporary name to write under; renamed to `path` if the block succeeds, and removed otherwise.

    If the process or the machine stops at any moment, the old file or the new one is left. Raises WriteError.
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
            with suppress(OSError):  # the reason why it was not written matters more
                temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes | memoryview) -> None:
    """Write a file whole or not at all; text in UTF-8. Raises WriteError."""
    with put_in_place(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def append_whole(file: FileIO, content: bytes) -> None:
    """Append all of the content or, if that fails, nothing. The file must be unbuffered."""
    end = file.seek(0, os.SEEK_END)
    left = memoryview(content)
    try:
        while left:
            left = left[file.write(left) :]
    except BaseException:  # including that of a signal handler
        with suppress(OSError):
            file.truncate(end)
        raise


def made_folder(folder: Path) -> Path:
    """Create a folder if it is missing, and return it.

    Raises WriteError, which suggests --out, also if no file can be created in it.
    """
    with refusals_explained(f"the folder {folder}", "name another folder with --out"):
        folder.mkdir(parents=True, exist_ok=True)
        _try_to_write(folder)
    return folder


def check_writable(path: Path, instead: str = "") -> None:
    """Raise WriteError if a file or folder cannot be created at a path: before the work for its content is done.

    Its folder may be missing, if it can be created.
    """
    with refusals_explained(path, instead):
        _try_to_write(next(folder for folder in path.absolute().parents if folder.exists()))


def _try_to_write(folder: Path) -> None:
    """Create a file without a name, of which nothing is left. Raises OSError."""
    with tempfile.TemporaryFile(dir=folder):
        pass


def _refused(place: Path | str, reason: str, remedy: str, instead: str) -> WriteError:
    ways_out = ", or ".join(filter(None, (remedy, instead)))
    return WriteError(f"{place}: cannot be written: {reason}", reason=reason, remedy=remedy, help=ways_out)


def _refusal(error: BaseException | None) -> OSError | None:
    """The system's error behind `error`; torch wraps it in its own."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, on systems that can sync folders."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
