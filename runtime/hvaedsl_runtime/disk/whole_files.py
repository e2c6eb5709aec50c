"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.refusals import ANOTHER_FOLDER, refusals_explained
from hvaedsl_runtime.disk.folder_lock import check_owned, try_flock

# The names of a process's open files, which may be redirected to a file.
DESCRIPTOR = re.compile(r"/dev/(std(in|out|err)|fd/\d+)|/proc/(self|\d+)/fd/\d+")

A_STREAM = "a stream or a device; the output is written to a file, which gets its name when it is complete"


def partial_name(path: Path) -> Path:
    """The temporary name of a file while it is written: in the same folder, with the same suffix."""
    return path.with_name(f".{path.stem}.partial{path.suffix}")


@contextmanager
def put_in_place(path: Path) -> Iterator[Path]:
    """Yield a temporary name to write under; renamed to `path` if the block succeeds, and removed otherwise.

    If the process or the machine stops at any moment, the old file or the new one is left. The file has the
    permissions of a new one under the umask, whatever those are that a library gives it. Raises WriteError, also while
    another process writes the file, and RunFolderInUse if this process had locked the folder, was stopped, and another
    one has taken it over.
    """
    check_owned(path)
    temporary = partial_name(path)
    with refusals_explained(path), new_for_one(temporary):
        try:
            # The umask itself can be read only by changing it.
            permissions = stat.S_IMODE(temporary.stat().st_mode)
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            if stat.S_IMODE(temporary.stat().st_mode) != permissions:
                temporary.chmod(permissions)
            check_owned(path)  # writing may have taken long
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            with suppress(OSError):  # the reason why it was not written matters more
                temporary.unlink(missing_ok=True)


@contextmanager
def put_folder_in_place(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; renamed to `path` if the block succeeds, and removed otherwise.

    `path` must be missing, or an empty folder; its parents are created. If the process stops at any moment, `path` has
    all files or none; the temporary folder that is then left is replaced by the next call. Raises WriteError, and
    RunFolderInUse as `put_in_place` does.
    """
    check_owned(path)
    with refusals_explained(path):
        target = Path(os.path.realpath(path))  # a link stays, and its folder is replaced
        temporary = partial_name(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with new_for_one(temporary, is_folder=True):
            try:
                yield temporary
                if target.exists():
                    target.rmdir()
                check_owned(path)  # filling it may have taken long
                temporary.rename(target)
                sync_folder(target.parent)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def new_for_one(path: Path, *, is_folder: bool = False) -> Iterator[None]:
    """Create an empty file or folder, which belongs to this process until the end of the block.

    One that a killed process left is replaced. Raises BlockingIOError while it belongs to another process. That is seen
    by a flock; where there is none, whatever is there counts as left.
    """
    descriptor = _created(path, is_folder=is_folder)
    while descriptor is None:
        descriptor = _created(path, is_folder=is_folder)
    try:
        yield
    finally:
        os.close(descriptor)


def _created(path: Path, *, is_folder: bool) -> int | None:
    """Create an empty file or folder and return its descriptor, locked; None if another process came in between."""
    try:
        if is_folder:
            path.mkdir()
        else:
            path.open("xb").close()
        is_new = True
    except FileExistsError:
        is_new = False

    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        has_lock = try_flock(descriptor)
        if has_lock is False:
            raise BlockingIOError(errno.EAGAIN, "another process is writing it")
        is_same = has_lock is None or _is_at(path, descriptor)
        if is_new and is_same:
            kept, descriptor = descriptor, -1
            return kept
        if is_same:  # left by a process that was killed
            shutil.rmtree(path) if is_folder else path.unlink()
        return None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether an open file or folder still has its name."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def write_whole(path: Path, content: str | bytes | memoryview) -> None:
    """Write a file whole or not at all; text in UTF-8, with escapes for names that are not. Raises WriteError."""
    with put_in_place(path) as temporary:
        temporary.write_bytes(content.encode(errors="backslashreplace") if isinstance(content, str) else content)


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
    with refusals_explained(f"the folder {folder}", ANOTHER_FOLDER):
        folder.mkdir(parents=True, exist_ok=True)
        _try_to_write(folder)
    return folder


def check_replaceable(folder: Path) -> None:
    """Raise UsageError for a folder that cannot be replaced by another one: the working directory, or a disk."""
    real = Path(os.path.realpath(folder))
    if real == Path.cwd() or real.is_mount():
        what = "the working directory" if real == Path.cwd() else "the root of a disk"
        raise UsageError(f"--out is {folder}, {what}", help="name a new folder in it")


def is_stream(path: Path) -> bool:
    """Whether a path leads to a pipe, a terminal or a device, which a file that is written whole would replace."""
    if DESCRIPTOR.fullmatch(str(path.absolute())):
        return True
    with suppress(OSError):  # there is nothing yet
        mode = path.stat().st_mode
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    return False


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


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, on systems that can sync folders."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
