"""Files through the formatter: what would change, as a diff, and written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import CompilerBug, SpecError, UsageError
from hvaedsl.fmt.formatter import format_source
from hvaedsl.rewriting import diff_of, write_over
from hvaedsl.syntax.text import MAX_FILE_BYTES, decode, read_bytes, refuse_large


@dataclass(frozen=True)
class Formatted:
    """A file before and after; where it cannot be formatted `after` is `before`, and the reason stands beside it."""

    name: str
    before: bytes
    after: bytes
    diagnostics: tuple[Diagnostic, ...] = ()  # why it does not parse
    bug: str = ""  # why the result was thrown away

    @property
    def changed(self) -> bool:
        """Whether it is not formatted yet."""
        return self.before != self.after


def format_file(name: str) -> Formatted:
    """A file, read and formatted, not written. Raises `UsageError` where it is not there or cannot be read."""
    try:
        data = read_bytes(Path(name), name)
    except SpecError as error:
        return Formatted(name, b"", b"", error.diagnostics)
    return format_bytes(data, name, Path(name))


def format_bytes(data: bytes, name: str, path: Path | None = None) -> Formatted:
    """A text as a file holds it: UTF-8, with or without a byte order mark."""
    try:
        refuse_large(len(data), name, path)
        after = format_source(decode(data, name, path)).encode()
    except SpecError as error:
        return Formatted(name, data, data, error.diagnostics)
    except CompilerBug as error:
        return Formatted(name, data, data, bug=str(error))
    if len(after) > MAX_FILE_BYTES:
        raise UsageError(f"{name}: formatted it would have {len(after):,} bytes; a spec has at most {MAX_FILE_BYTES:,}")
    return Formatted(name, data, after)


def format_files(names: Iterable[str]) -> list[Formatted]:
    """Several files, each once, under whatever names it is given. Raises as `format_file` does."""
    return [format_file(name) for name in {os.path.realpath(name): name for name in names}.values()]


def summary(found: Sequence[Formatted], changing: str) -> str:
    """`2 files reformatted, 14 unchanged`, where `changing` is `reformatted`."""
    unformatted = sum(bool(item.diagnostics or item.bug) for item in found)
    changed = sum(item.changed for item in found)
    counts = [(changed, changing), (len(found) - changed - unformatted, "unchanged"), (unformatted, "not formatted")]
    (count, what), *others = [(count, what) for count, what in counts if count]
    return ", ".join([f"{count} file{'s' * (count != 1)} {what}", *(f"{count} {what}" for count, what in others)])


def unified_diff(formatted: Formatted) -> str:
    """What would change; empty where nothing would."""
    return diff_of(formatted.name, formatted.before, formatted.after, "formatted")


def rewrite(formatted: Formatted) -> None:
    """Write a file's formatted text in its place. Raises `UsageError` as `write_over` does."""
    write_over(formatted.name, formatted.before, formatted.after)
