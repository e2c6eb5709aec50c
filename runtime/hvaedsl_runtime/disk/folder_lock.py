"""A lock on a folder: one process at a time writes into it, on this machine and on others that share the folder.

The lock is a file that names its holder, put in place by a hard link, which fails if the name exists, on network file
systems too. A thread of the holder renews the file's modification time. A lock is stale if its process is gone, or, if
that process ran on another system, after STALE_SECONDS without a renewal, by the clock of the file system.

The holder also locks the file with flock, where that works. It is not needed to exclude others, but knows more: the
system releases it at the end of the last process that has inherited the descriptor, as the runs of a sweep do, and a
lock that was copied with its folder is not locked. The package filelock, which torch installs, has no heartbeat.
"""

from __future__ import annotations

import errno
import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from hvaedsl.diagnostics.errors import RunFolderInUse, WriteError
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.diagnostics.refusals import ANOTHER_FOLDER, refusals_explained
from hvaedsl_runtime.disk.lock_holder import Holder
from hvaedsl_runtime.heartbeat import beat

LOCK = ".lock"
# Held while a stale lock is replaced, so that one process does it.
TAKEOVER = ".lock.takeover"
BEAT_SECONDS = 10.0
# A process on another host that has not renewed its lock for so long has lost it.
STALE_SECONDS = 120.0
# Two beats later than the last one, the holder on another host may be gone: wait until the lock is stale, or renewed.
LATE_SECONDS = 3 * BEAT_SECONDS
# A process that was stopped saves its checkpoint before it ends; the next one waits this long for it, and says so.
PATIENCE_SECONDS = 20.0
SILENT_SECONDS = 1.0
# A takeover takes milliseconds; one that has lasted so long was killed.
TAKEOVER_SECONDS = 30.0
POLL_SECONDS = 0.1

logger = logging.getLogger(__name__)


@dataclass
class FolderLock:
    """A lock that this process holds. `descriptor` is None if the file system has no flock."""

    folder: Path
    holder: Holder
    descriptor: int | None
    is_lost: bool = False
    _inode: int = 0  # of the folder
    _checked_at: float = field(default_factory=lambda: _awake_and_asleep())
    _ended: threading.Event = field(default_factory=threading.Event)

    def check(self, *, within: float = 0.0) -> None:
        """Raise RunFolderInUse if another process has taken the lock, which it does if this one was stopped for long.

        The file is read unless the last read was less than `within` seconds ago. A lock that is missing is lost too:
        the process that took it over may have finished. Raises WriteError if the file cannot be read.
        """
        if not self.is_lost and _awake_and_asleep() < self._checked_at + within:
            return
        with refusals_explained(self.folder):
            found = _read(self.folder / LOCK)
            # A folder that vanished, as with its disk, belongs to nobody, also if one of its name was made since.
            if found is None and self.folder.stat().st_ino != self._inode:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.folder))
        self.is_lost = self.is_lost or found is None or found.token != self.holder.token
        self._checked_at = _awake_and_asleep()
        if self.is_lost:
            taker = f"{found} has taken it over" if found is not None else "its lock was removed or taken over"
            raise RunFolderInUse(
                f"{self.folder} no longer belongs to this process, which was stopped for a while: {taker}",
                help="nothing was written since; resume once no other process trains in the folder",
            )

    def renew(self) -> None:
        """Renew the lock's time until it is released or lost; the loop of a thread."""
        while not self._ended.wait(BEAT_SECONDS):
            with suppress(OSError, WriteError):  # a network that is down for a moment: the next beat may succeed
                self.check()
                os.utime(self.folder / LOCK)
            if self.is_lost:
                return

    def release(self) -> None:
        """Remove the file, unless it is another process's by now."""
        self._ended.set()
        with suppress(OSError):  # a folder that vanished, or cannot be written into any more
            if (found := _read(self.folder / LOCK)) is not None and found.token == self.holder.token:
                (self.folder / LOCK).unlink()


def is_of_lock(path: Path) -> bool:
    """Whether a file is a lock, or what a process that was killed while it took one has left."""
    return path.name == LOCK or path.name.startswith(f"{LOCK}.")


# The locks of this process.
_held: list[FolderLock] = []


@contextmanager
def folder_lock(folder: Path, instead: str = "") -> Iterator[int | None]:
    """Lock a folder, which is created if it is missing, for this process and the children that inherit the descriptor.

    Yields the descriptor; None if the file system has no flock, which children could inherit. Nothing is left of the
    lock afterwards, nor of a folder that was created for it and is still empty. After SIGKILL its file is left, and the
    next process takes it over.

    Raises RunFolderInUse if another process keeps the lock, WriteError if the folder cannot be written into; `instead`
    is what else the user can do.
    """
    with refusals_explained(folder, instead):
        created = not folder.exists()
        lock = _acquired(folder)
    _held.append(lock)
    threading.Thread(target=_quietly_renew, args=(lock,), daemon=True, name=f"lock of {folder}").start()
    try:
        yield lock.descriptor
    finally:
        _held.remove(lock)
        lock.release()
        with suppress(OSError):  # a folder with content
            if created:
                folder.rmdir()
        if lock.descriptor is not None:
            os.close(lock.descriptor)


def check_unlocked(folder: Path) -> None:
    """Raise RunFolderInUse if a process keeps the lock of a folder. No lock is taken or removed."""
    lock = found_lock(folder)
    if lock is not None and not lock.is_stale:
        raise _in_use(folder, lock)


def found_lock(folder: Path) -> FoundLock | None:
    """The lock on a folder, held or stale; None if there is none. Nothing is taken or removed. Raises OSError."""
    try:
        return _inspected(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None


def check_owned(path: Path, *, within: float = 0.0) -> None:
    """Raise RunFolderInUse if a file is in a folder that this process has locked and whose lock it has lost.

    Called before a file of a run is written. The lock is read unless the last read was less than `within` seconds ago.
    """
    for lock in _held:
        if lock.folder.absolute() in path.absolute().parents:
            lock.check(within=within)


@dataclass(frozen=True)
class FoundLock:
    """A lock that another process has left or keeps: who, its age in seconds, and whether it can be taken over."""

    holder: Holder | None
    inode: int
    age: float
    is_stale: bool
    why: str

    @property
    def who(self) -> str:
        """The holder in words."""
        return _named(self.holder)

    @property
    def last_heartbeat(self) -> str:
        """How long ago the lock was renewed, in words."""
        return f"{_in_words(self.age)} ago"

    @property
    def may_become_stale(self) -> bool:
        """Whether its heartbeat is late, so that waiting decides."""
        return not self.is_stale and self.age > LATE_SECONDS and not (self.holder is not None and self.holder.is_local)


def _acquired(folder: Path) -> FolderLock:
    """Wait for the lock of a folder, and take it. Raises RunFolderInUse, OSError."""
    started, said = time.monotonic(), False
    while True:
        folder.mkdir(parents=True, exist_ok=True)  # its last holder may have removed it
        try:
            found = _inspected(folder) if (folder / LOCK).exists() else None
            lock = _placed(folder, None) if found is None else _taken_over(folder, found) if found.is_stale else None
        except FileNotFoundError:  # the lock or the folder was removed in between
            continue
        if lock is not None:
            return lock
        if found is None or found.is_stale:  # another process was faster
            time.sleep(POLL_SECONDS)
            continue

        waited = time.monotonic() - started
        if waited > PATIENCE_SECONDS and not found.may_become_stale:
            raise _in_use(folder, found)
        if waited > SILENT_SECONDS and not said:
            longest = STALE_SECONDS if found.may_become_stale else PATIENCE_SECONDS
            logger.warning("waiting for %s, in use by %s, %g seconds at most", folder, _named(found.holder), longest)
            said = True
        beat("waiting for the run folder")  # for a limited time, and so no hang
        time.sleep(POLL_SECONDS)


def _placed(folder: Path, replaced: FoundLock | None) -> FolderLock | None:
    """Put a lock of this process in place, where there is none, or instead of a stale one; None if another has it.

    The file is complete and locked before it has its name.
    """
    holder = Holder.this_process()
    descriptor, name = tempfile.mkstemp(prefix=f"{LOCK}.", dir=folder)
    temporary = Path(name)
    try:
        os.write(descriptor, holder.model_dump_json(indent=2).encode() + b"\n")
        with suppress(OSError):  # a file system without permissions
            os.fchmod(descriptor, 0o644)
        has_flock = bool(try_flock(descriptor))
        if replaced is not None:
            temporary.replace(folder / LOCK)
        elif not _linked(temporary, folder / LOCK, holder):
            os.close(descriptor)
            return None
    except BaseException:
        with suppress(OSError):
            os.close(descriptor)
        raise
    finally:
        temporary.unlink(missing_ok=True)

    # Written again, without a hard link, the lock is another file than the one that is locked here.
    if has_flock and not os.path.samestat(os.fstat(descriptor), (folder / LOCK).stat()):
        os.close(descriptor)
        descriptor = _opened(folder / LOCK)
        if not try_flock(descriptor):  # another process was faster, between writing it and here
            os.close(descriptor)
            return None
    if not has_flock:
        os.close(descriptor)
    return FolderLock(folder, holder, descriptor if has_flock else None, _inode=folder.stat().st_ino)


def _linked(temporary: Path, path: Path, holder: Holder) -> bool:
    """Give a file a second name, unless that name exists; without hard links, write a file of that name."""
    try:
        path.hardlink_to(temporary)
        return True
    except FileExistsError:
        return False
    except OSError:
        # Also if the reply of a network file system was lost: the link is there then.
        if (found := _read(path)) is not None:
            return found.token == holder.token
    try:
        with path.open("xb") as file:
            file.write(temporary.read_bytes())
    except FileExistsError:
        return False
    return True


def _taken_over(folder: Path, stale: FoundLock) -> FolderLock | None:
    """Replace a stale lock, aloud; None if another process is doing it, or has done it."""
    guard = folder / TAKEOVER
    try:
        guard.open("xb").close()
    except FileExistsError:
        if _age(guard) > TAKEOVER_SECONDS:
            guard.unlink(missing_ok=True)
        return None
    try:
        again = _inspected(folder)
        if not again.is_stale or again.inode != stale.inode:
            return None
        lock = _placed(folder, again)
    finally:
        guard.unlink(missing_ok=True)
    if lock is not None:
        logger.warning("%s: taking over the lock of %s: %s", folder, _named(stale.holder), stale.why)
    return lock


def _inspected(folder: Path) -> FoundLock:
    """Look at the lock of a folder. Raises FileNotFoundError if there is none, OSError."""
    path = folder / LOCK
    descriptor = _opened(path)
    try:
        content, inode = os.read(descriptor, 4096), os.fstat(descriptor).st_ino
        is_free = try_flock(descriptor, shared=True)
    finally:
        os.close(descriptor)
    holder, age = Holder.read(content), _age(path)

    # On the same system the flock decides or, without flock, the process. Of another system, one may see nothing of the
    # flock, or that of a machine which is gone: there the heartbeat decides.
    is_elsewhere = holder is not None and not holder.is_local and bool(holder.boot)
    if is_free is not None and not is_elsewhere:
        stale, why = is_free, "it has ended"
    elif holder is not None and holder.is_local:
        stale, why = not holder.runs, "it has ended"
    else:
        stale, why = age > STALE_SECONDS, f"its last heartbeat was {_in_words(age)} ago"
    return FoundLock(holder, inode, age, stale, why)


def _opened(path: Path) -> int:
    """Open a lock's file, for writing if that is allowed: some file systems lock no others."""
    try:
        return os.open(path, os.O_RDWR)
    except PermissionError:
        return os.open(path, os.O_RDONLY)


def try_flock(descriptor: int, *, shared: bool = False) -> bool | None:
    """Lock a file until it is closed; False if another process has locked it, None if there are no such locks.

    Shared locks, of processes that only look, do not exclude each other.
    """
    if os.name != "posix":
        return None
    import fcntl

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _age(path: Path) -> float:
    """The seconds since a file was written, both times by the clock of its file system.

    The clock of this machine may differ, or jump. In a folder that cannot be written into there is only that clock.
    """
    try:
        with tempfile.TemporaryFile(dir=path.parent) as fresh:
            fresh.write(b"now")
            fresh.flush()
            now = os.fstat(fresh.fileno()).st_mtime
    except OSError:
        now = time.time()
    return now - path.stat().st_mtime


def _read(path: Path) -> Holder | None:
    """The holder in a lock's file; None if there is no file, or no holder in it. Raises other OSErrors."""
    try:
        return Holder.read(path.read_bytes())
    except FileNotFoundError:
        return None


def _quietly_renew(lock: FolderLock) -> None:
    with suppress(RunFolderInUse):  # the next write raises it in the thread that writes
        lock.renew()


def _awake_and_asleep() -> float:
    """Seconds by a clock that never jumps and counts the time in which the machine sleeps, if there is one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _named(holder: Holder | None) -> str:
    return "another process" if holder is None else str(holder)


def _in_words(seconds: float) -> str:
    """A time in the largest unit of which there are two."""
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return counted(max(0, round(seconds)), "second")


def _in_use(folder: Path, found: FoundLock) -> RunFolderInUse:
    return RunFolderInUse(
        f"{folder} is in use by {_named(found.holder)}; last heartbeat {_in_words(found.age)} ago",
        help=f"wait for it or stop it, or {ANOTHER_FOLDER}",
    )
