"""Files that hvaedsl changes for somebody: what would change, as a diff, and written whole or not at all."""

from __future__ import annotations

import contextlib
import difflib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hvaedsl.diagnostics.errors import UsageError

_NO_NEWLINE = "\\ No newline at end of file\n"


def diff_of(name: str, before: bytes, after: bytes, done: str) -> str:
    """What would change, the second file called `NAME (DONE)`; empty where nothing would. Both are UTF-8."""
    found = difflib.unified_diff(_lines(before), _lines(after), name, f"{name} ({done})")
    return "".join(line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}" for line in found)


def _lines(data: bytes) -> list[str]:
    *lines, last = data.decode().split("\n")
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def write_over(name: str, before: bytes, after: bytes) -> None:
    """Write a file's new text in its place: whole or not at all, with its permissions, through symbolic links.

    Raises `UsageError` where it cannot be written, or has been written by somebody else since `before` was read.
    """
    target = Path(os.path.realpath(name))
    try:
        if not os.access(target, os.W_OK):
            raise UsageError(f"{name}: it may not be written")
        with _beside(target) as temporary:
            temporary.write_bytes(after)
            if target.read_bytes() != before:
                raise UsageError(f"{name}: somebody else has written it meanwhile; it is left as it is")
            temporary.replace(target)
    except OSError as error:
        raise UsageError(f"{name}: it cannot be written: {(error.strerror or str(error)).lower()}") from None


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """An empty file in the folder of `target`, with its permissions; it is gone afterwards, whatever happens."""
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
