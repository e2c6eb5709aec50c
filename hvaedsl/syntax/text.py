"""From a path to a `Source`: size by stat, UTF-8 with or without a byte order mark, and no device or pipe is opened."""

from __future__ import annotations

import stat
from pathlib import Path

from hvaedsl.diagnostics.diagnostic import nearest
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diagnostics.span import Source
from hvaedsl.diagnostics.syntax import FileTooLarge, NotText
from hvaedsl.shipped import shipped, spec_names

MAX_FILE_BYTES = 1 << 20


def read_source(path: Path, name: str | None = None) -> Source:
    """The text of a spec file.

    Raises `UsageError` where there is no such file or it cannot be read, `SpecError` (HV107, HV108) where it is too
    large or not UTF-8 text.
    """
    shown = name or str(path)
    return decode(read_bytes(path, shown), shown, path)


def source_of(path: str | Path) -> Source:
    """The text of a spec file; `NAME`, with `.hvae` or without, is looked for among the shipped specs.

    Raises as `read_source` does, with the name of the shipped spec that was perhaps meant.
    """
    found = Path(path)
    below = found.relative_to("specs") if found.is_relative_to("specs") else found
    in_shipped = (shipped("specs") / below).with_suffix(".hvae") if below.name else shipped("specs")
    try:
        exists = found.exists() or found.is_symlink()
        use_shipped = not found.exists() and not found.is_absolute() and in_shipped.is_file()
    except (OSError, ValueError):  # no name of a file; reading it says so
        exists, use_shipped = True, False
    if not (exists or use_shipped) and (near := nearest(below.as_posix().removesuffix(".hvae"), spec_names())):
        raise UsageError(f"{path}: no such file or directory; did you mean the shipped spec {near}?")
    return read_source(in_shipped if use_shipped else found, str(path))


def read_bytes(path: Path, shown: str) -> bytes:
    """What a spec file holds. Raises `UsageError` as `read_source` does, `SpecError` (HV108) where it is too large."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{shown}: not a file")
        refuse_large(found.st_size, shown, path)
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{shown}: {(error.strerror or str(error)).lower()}") from None
    except ValueError as error:  # a NUL in the path itself
        raise UsageError(f"{shown!r}: {error}") from None


def refuse_large(size: int, name: str, path: Path | None = None) -> None:
    """Raise `SpecError` (HV108) where a text of this many bytes is larger than a spec may be."""
    if size > MAX_FILE_BYTES:
        span = Source(name, "", path).span(0, 0)
        raise SpecError([FileTooLarge(span=span, size=size, limit=MAX_FILE_BYTES)])


def decode(data: bytes, name: str, path: Path | None = None) -> Source:
    """A source of UTF-8 bytes; a byte order mark is taken off. Raises `SpecError` (HV107)."""
    if data[:2] != b"\0\0" and b"\0" in data[:2]:
        raise SpecError([NotText(span=Source(name, "", path).span(0, 0), reason="it looks like UTF-16")])
    try:
        return Source(name, data.decode("utf-8-sig"), path)
    except UnicodeDecodeError as error:
        before = Source(name, data[: error.start].decode("utf-8-sig", "replace"), path)
        utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        reason = (
            "it begins with the byte order mark of UTF-16" if utf16 else f"byte 0x{data[error.start]:02X} is no UTF-8"
        )
        end = len(before.text)
        raise SpecError([NotText(span=before.span(end, end), reason=reason)]) from None
