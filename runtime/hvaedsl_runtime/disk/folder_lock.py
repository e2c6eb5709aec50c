"""A lock on a folder: one process at a time writes into it. The system releases it when the process ends, however.

The package filelock, which torch installs, is not used: the runs of a sweep inherit the descriptor of its lock, so that
they keep it if the sweep is killed, and the file says who holds it.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hvaedsl.diagnostics.errors import RunFolderInUse
from hvaedsl.diagnostics.refusals import ANOTHER_FOLDER, refusals_explained

LOCK = ".lock"
# A process that was stopped saves its checkpoint before it ends; the next one waits this long for it, and says so.
PATIENCE_SECONDS = 20.0
SILENT_SECONDS = 1.0

logger = logging.getLogger(__name__)


@contextmanager
def folder_lock(folder: Path, instead: str = "") -> Iterator[int | None]:
    """Lock a folder, which is created if it is missing, for this process and the children that inherit the descriptor.

    Yields the descriptor; None, after a warning, if the system or the file system has no locks. Nothing is left of the
    lock afterwards, nor of a folder that was created for it and is still empty. After SIGKILL its file is left, which
    locks nothing.

    Raises RunFolderInUse if another process keeps the lock, WriteError if the folder cannot be written into; `instead`
    is what else the user can do.
    """
    with refusals_explained(folder, instead):
        created = not folder.exists()
        descriptor, has_locks = _locked(folder)
    try:
        if not has_locks:
            logger.warning(
                "%s: this file system has no locks: no other process may write into the folder meanwhile", folder
            )
        yield descriptor if has_locks else None
    finally:
        # The file is removed while it is locked: another process may then lock the next one of this name.
        with suppress(OSError):  # a folder that vanished, or cannot be written into any more
            (folder / LOCK).unlink()
        with suppress(OSError):  # a folder with content
            if created:
                folder.rmdir()
        os.close(descriptor)


def check_unlocked(folder: Path) -> None:
    """Raise RunFolderInUse if a process keeps the lock of a folder. Nothing is written."""
    if os.name != "posix":
        return
    import fcntl

    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:  # there is no lock
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _in_use(folder) from None
    except OSError:  # the file system has no locks
        return
    finally:
        os.close(descriptor)


def _locked(folder: Path) -> tuple[int, bool]:
    """Wait for the lock, and return the descriptor of its file and whether it is locked. Raises RunFolderInUse."""
    started, said = time.monotonic(), False
    while True:
        descriptor = _opened(folder)
        try:
            if not _lock(descriptor):
                return descriptor, False
            if _is_current(descriptor, folder / LOCK):
                _sign(descriptor)
                return descriptor, True
            os.close(descriptor)  # its last holder has removed the file: lock the one that is there now
            continue
        except BlockingIOError:
            os.close(descriptor)

        waited = time.monotonic() - started
        if waited > PATIENCE_SECONDS:
            raise _in_use(folder)
        if waited > SILENT_SECONDS and not said:
            logger.warning(
                "waiting for %s, in use by %s, %g seconds at most", folder, _holder(folder), PATIENCE_SECONDS
            )
            said = True
        time.sleep(0.1)


def _opened(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except FileNotFoundError:  # its last holder has removed the folder in between
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)


def _lock(descriptor: int) -> bool:
    """Lock a file, and return whether the system has locks. Raises BlockingIOError if another process has locked it."""
    if os.name != "posix":
        return False
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # the file system has no locks
        return False
    return True


def _is_current(descriptor: int, path: Path) -> bool:
    """Whether the locked file is the one at the path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    """Say in the file which process has locked it."""
    with suppress(OSError):  # a full disk: the lock holds all the same
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())


def _holder(folder: Path) -> str:
    """The process that has locked a folder, in words."""
    with suppress(OSError, UnicodeDecodeError):
        if (signed := (folder / LOCK).read_text(encoding="utf-8").strip()).startswith("process "):
            return signed
    return "another process"


def _in_use(folder: Path) -> RunFolderInUse:
    return RunFolderInUse(
        f"{folder} is in use by {_holder(folder)}",
        help=f"wait for it or stop it, or {ANOTHER_FOLDER}",
    )
