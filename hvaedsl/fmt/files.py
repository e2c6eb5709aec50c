"""Format files: the changes as a diff, or written atomically."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import CompilerBug, SpecError, UsageError, WriteError
from hvaedsl.fmt.formatter import format_source
from hvaedsl.rewriting import diff_of, write_over
from hvaedsl.syntax.text import MAX_FILE_BYTES, decode, read_bytes, refuse_large


@dataclass(frozen=True)
class Formatted:
    """A file before and after. If it cannot be formatted, `after` equals `before`, and the reason is given."""

    name: str
    before: bytes
    after: bytes
    diagnostics: tuple[Diagnostic, ...] = ()  # the syntax errors
    bug: str = ""  # why the result was discarded
    refusal: str = ""  # why the file could not be read or written

    @property
    def changed(self) -> bool:
        """Whether formatting changes the file."""
        return self.before != self.after


def format_file(name: str) -> Formatted:
    """Read and format a file, without writing it."""
    try:
        return format_bytes(read_bytes(Path(name), name), name, Path(name))
    except SpecError as error:
        return Formatted(name, b"", b"", error.diagnostics)
    except UsageError as error:
        return Formatted(name, b"", b"", refusal=error.report)


def format_bytes(data: bytes, name: str, path: Path | None = None) -> Formatted:
    """Format the bytes of a file: UTF-8, with or without a byte order mark."""
    try:
        refuse_large(len(data), name, path)
        after = format_source(decode(data, name, path)).encode()
    except SpecError as error:
        return Formatted(name, data, data, error.diagnostics)
    except CompilerBug as error:
        return Formatted(name, data, data, bug=str(error))

    if len(after) > MAX_FILE_BYTES:
        raise UsageError(
            f"{name}: the formatted file would have {len(after):,} bytes; the limit for a spec is {MAX_FILE_BYTES:,}"
        )
    return Formatted(name, data, after)


def format_files(names: Iterable[str]) -> list[Formatted]:
    """Format files, each once even if it is given under several names."""
    return [format_file(name) for name in {os.path.realpath(name): name for name in names}.values()]


def summary(found: Sequence[Formatted], changing: str) -> str:
    """Counts for the terminal: `2 files reformatted, 14 unchanged` if `changing` is `reformatted`."""
    unformatted = sum(bool(item.diagnostics or item.bug or item.refusal) for item in found)
    changed = sum(item.changed for item in found)
    counts = [(changed, changing), (len(found) - changed - unformatted, "unchanged"), (unformatted, "not formatted")]
    (count, what), *others = [(count, what) for count, what in counts if count]
    return ", ".join([f"{count} file{'s' * (count != 1)} {what}", *(f"{count} {what}" for count, what in others)])


def unified_diff(formatted: Formatted) -> str:
    """The changes as a unified diff; empty if there are none."""
    return diff_of(formatted.name, formatted.before, formatted.after, "formatted")


def rewrite(formatted: Formatted) -> None:
    """Replace a file by its formatted text. Raises as `write_over` does."""
    write_over(formatted.name, formatted.before, formatted.after)


def not_written(formatted: Formatted, error: UsageError | WriteError) -> Formatted:
    """The result for a file that `rewrite` could not replace."""
    return replace(formatted, after=formatted.before, refusal=str(error))
