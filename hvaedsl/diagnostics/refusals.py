"""Readable errors if the system refuses to write, for every command that writes a file."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hvaedsl.diagnostics.errors import UsageError, WriteError

# What else the user can do: for `instead`, and for the help of other errors about a place.
ANOTHER_FILE, ANOTHER_FOLDER = "name another file with --out", "name another folder with --out"
# Error numbers of a disk on which no more can be written.
FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
# Of the files that are open at once: the limit of a process, and that of the system.
MORE_FILES = "raise the limit on open files, for example with `ulimit -n 4096`"
TOO_MANY_FILES = {
    errno.EMFILE: MORE_FILES,
    errno.ENFILE: "close other programs, or raise the system's limit on open files",
}
NO_ROOM, NOT_WRITABLE, NOT_THERE = "free some space there", "make it writable", "check that the disk is mounted"
REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), NO_ROOM),
    errno.EFBIG: "raise the limit on the size of a file",
    **TOO_MANY_FILES,
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), NOT_WRITABLE),
    errno.EAGAIN: "wait until that process has ended",
    errno.ENOENT: "check that the folder exists and its disk is mounted",
    **dict.fromkeys((errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN), NOT_THERE),
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
        raise refused(place, refusal, instead) from error


def refused(place: Path | str, error: OSError, instead: str = "") -> WriteError:
    """The WriteError for a system's error: the place, the reason, and the remedy or `instead`."""
    return _refused(place, error.strerror or str(error), REMEDIES.get(error.errno or 0, ""), instead)


def raise_not_written(failures: Sequence[UsageError | WriteError]) -> None:
    """Raise the errors of files that were not written, as one error if there are several."""
    if len(failures) < 2:
        for failure in failures:
            raise failure
        return
    message = "\n  ".join([f"{len(failures)} files were not written", *map(str, failures)])
    refusal = next((item for item in failures if isinstance(item, WriteError)), None)
    raise UsageError(message) if refusal is None else WriteError(message, remedy=refusal.remedy, help=refusal.help)


def _refused(place: Path | str, reason: str, remedy: str, instead: str) -> WriteError:
    ways_out = ", or ".join(filter(None, (remedy, instead)))
    return WriteError(f"{place}: cannot be written: {reason}", reason=reason, remedy=remedy, help=ways_out)


def _refusal(error: BaseException | None) -> OSError | None:
    """The system's error behind `error`; torch wraps it in its own."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error
