"""Read specs: the size is checked first, the text is UTF-8, and only regular files are opened."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from hvaedsl.diagnostics.diagnostic import nearest
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diagnostics.limits import FileTooLarge
from hvaedsl.diagnostics.span import Source
from hvaedsl.diagnostics.syntax import NotText
from hvaedsl.diagnostics.unicode_forms import other_form
from hvaedsl.shipped import shipped, spec_names

MAX_FILE_BYTES = 1 << 20
# The resolved spec in a run folder, which is how the folder is recognized where a spec is expected.
RUN_SPEC = "spec.hvae"
_READERS = "compile, diff, fmt, lint and show"  # the commands that read standard input
# The name of standard input in messages, and the file that its text stands for: `extends` is relative to its folder.
STDIN, STDIN_FILE = "<stdin>", Path("stdin.hvae")


def read_source(path: Path, name: str | None = None) -> Source:
    """Read a spec file.

    Raises `UsageError` if it does not exist or cannot be read, and `SpecError` (HV107, HV108) if it is not UTF-8 text
    or too large.
    """
    shown = name or str(path)
    return decode(read_bytes(path, shown), shown, path)


def source_of(path: str | Path) -> Source:
    """Read a spec file, or a shipped spec by its name, with or without `.hvae`.

    Raises as `read_source` does; the message of a missing file suggests a shipped spec of a similar name, that of a run
    folder its spec.
    """
    if not str(path).strip():
        raise UsageError("the path of the spec is empty", help="name a spec file or a shipped spec")
    found = Path(path)
    if is_file(found):
        return read_source(found, str(path))

    below = found.relative_to("specs") if found.is_relative_to("specs") else found
    in_shipped = (shipped("specs") / below).with_suffix(".hvae") if below.name else shipped("specs")
    try:
        is_there = found.exists() or found.is_symlink()
        use_shipped = not found.exists() and not found.is_absolute() and in_shipped.is_file()
    except (OSError, ValueError):  # not a valid file name, which `read_source` reports
        is_there, use_shipped = True, False

    if not (is_there or use_shipped or other_form(found)) and (
        near := nearest(below.as_posix().removesuffix(".hvae"), spec_names())
    ):
        raise UsageError(f"{path}: no such file or directory; did you mean the shipped spec {near}?")
    if is_file(found / RUN_SPEC):
        raise UsageError(
            f"{path} is a run folder, where a spec is needed",
            help=f"its spec is {found / RUN_SPEC}; eval, sample, analyze and report take the run folder itself",
        )
    if str(path) == "-" and not is_there:
        raise UsageError(
            "standard input (-) is not read here",
            help=f"save the spec to a file; {_READERS} read -",
        )
    return read_source(in_shipped if use_shipped else found, str(path))


def source_or_stdin(argument: str) -> Source:
    """Read a spec as `source_of` does, or standard input if the argument is `-`."""
    if argument != "-":
        return source_of(argument)
    data = read_stdin()
    refuse_large(len(data), STDIN, STDIN_FILE)
    return decode(data, STDIN, STDIN_FILE)


def read_stdin() -> bytes:
    """Read standard input, up to one byte more than a spec may have. Raises `UsageError` if it cannot be read."""
    require_stdin("name a file")
    try:
        return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{STDIN}: {reason_of(error)}") from None


def require_stdin(way_out: str) -> None:
    """Raise `UsageError` if standard input is closed."""
    if sys.stdin is None:  # what Python has for a descriptor that was closed before it started
        raise UsageError("standard input is closed", help=way_out)


def is_file(path: Path) -> bool:
    """Whether there is a regular file or a link to one. False, not an exception, if the system refuses to say."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def exists(path: Path) -> bool:
    """Whether there is something at a path. False, not an exception, if the system refuses to say."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def real_path(path: Path) -> Path:
    """The absolute path without symbolic links. Unlike `Path.resolve`, it keeps a loop of links as it is."""
    return Path(os.path.realpath(path))


class RealPaths:
    """Absolute paths without symbolic links, for many files of the same folders, each of which is resolved once."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, path: str | Path) -> str:
        """The path that `os.path.realpath` returns."""
        folder, name = os.path.split(path)
        if os.name != "posix" or name in ("", ".", "..") or os.path.islink(path):  # noqa: PTH114 - objects take longer
            return os.path.realpath(path)
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = os.path.realpath(folder).rstrip("/")
        return f"{known}/{name}"


def reason_of(error: OSError) -> str:
    """The operating system's reason for an error, as messages print it."""
    return (error.strerror or str(error)).lower()


def raise_refused(refused: Sequence[str]) -> None:
    """Raise `UsageError` if some files or folders could not be read, given their reports; the others were checked."""
    if len(refused) == 1:
        raise UsageError(refused[0])
    if refused:
        raise UsageError(
            f"{len(refused)} paths cannot be read\n  " + "\n  ".join(item.replace("\n  ", "\n    ") for item in refused)
        )


def read_bytes(path: Path, shown: str) -> bytes:
    """The bytes of a spec file. Raises `UsageError` as `read_source` does, and `SpecError` (HV108) for a large file."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise _irregular(shown, found.st_mode)
        refuse_large(found.st_size, shown, path)
        return path.read_bytes()
    except OSError as error:
        other = other_form(path)
        raise UsageError(f"{shown}: {reason_of(error)}", help=other.help if other else "") from None
    except ValueError as error:  # a NUL in the path itself
        raise UsageError(f"{shown!r}: {error}") from None


def _irregular(shown: str, mode: int) -> UsageError:
    """The error for what is not a regular file, with the way out for /dev/stdin and a shell's <(command)."""
    if stat.S_ISDIR(mode):
        return UsageError(f"{shown}: is a folder")
    is_stream = stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)
    way_out = f"save the spec to a file, or pipe it and pass -, which {_READERS} read"
    return UsageError(f"{shown}: not a regular file", help=way_out if is_stream else "")


def refuse_large(size: int, name: str, path: Path | None = None) -> None:
    """Raise `SpecError` (HV108) if `size`, in bytes, exceeds the limit for a spec."""
    if size > MAX_FILE_BYTES:
        span = Source(name, "", path).span(0, 0)
        raise SpecError([FileTooLarge(span=span, size=size, limit=MAX_FILE_BYTES)])


def decode(data: bytes, name: str, path: Path | None = None) -> Source:
    """Decode UTF-8, with or without a byte order mark. Raises `SpecError` (HV107) for other bytes."""
    if data[:2] != b"\0\0" and b"\0" in data[:2]:
        raise SpecError([NotText(span=Source(name, "", path).span(0, 0), reason="it looks like UTF-16")])
    try:
        return Source(name, data.decode("utf-8-sig"), path)
    except UnicodeDecodeError as error:
        before = Source(name, data[: error.start].decode("utf-8-sig", "replace"), path)
        utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        reason = (
            "it starts with the byte order mark of UTF-16" if utf16 else f"byte 0x{data[error.start]:02X} is invalid"
        )
        end = len(before.text)
        raise SpecError([NotText(span=before.span(end, end), reason=reason)]) from None
