"""Changes to a user's files: shown as a diff, or written atomically."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.printable import printable
from hvaedsl.diagnostics.refusals import refusals_explained

_NO_NEWLINE = "\\ No newline at end of file\n"


def diff_of(name: str, before: bytes, after: bytes, done: str) -> str:
    """The unified diff of two UTF-8 texts, the second one named `NAME (DONE)`; empty if they are equal."""
    shown = printable(name)
    found = difflib.unified_diff(_lines(before), _lines(after), shown, f"{shown} ({done})")
    return "".join(line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}" for line in found)


def _lines(data: bytes) -> list[str]:
    *lines, last = data.decode().split("\n")
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def write_over(name: str, before: bytes, after: bytes) -> None:
    """Replace the contents of a file atomically. Permissions are kept, and symbolic links are followed.

    Raises `WriteError` if the file cannot be written, and `UsageError` if it has been changed by another program since
    `before` was read.
    """
    target = Path(os.path.realpath(name))
    with refusals_explained(name):
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        with _beside(target) as temporary:
            temporary.write_bytes(after)
            if target.read_bytes() != before:
                raise UsageError(f"{name}: changed by another program in the meantime; it was not written")
            temporary.replace(target)


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A temporary file in the folder of `target`, with its permissions. It is always removed at the end."""
    found = target.stat()
    handle, name = tempfile.mkstemp(prefix=".", suffix=".partial", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        if hasattr(os, "chown"):
            with contextlib.suppress(PermissionError):  # only root may give a file to its owner
                os.chown(temporary, found.st_uid, found.st_gid)
        temporary.chmod(stat.S_IMODE(found.st_mode))
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
