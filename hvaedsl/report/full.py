"""Diagnostics in the style of rustc: code, title, source lines with labels, and help."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.printable import printable
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.report.terminal import text_console

MAX_SHOWN = 200
_WINDOW = 100  # maximum number of code points that are shown of a source line


@dataclass(frozen=True)
class _Mark:
    span: Span
    text: str
    primary: bool


def print_full(diagnostics: Sequence[Diagnostic], console: Console) -> None:
    """Print diagnostics, separated by blank lines, and a last line with their number."""
    for diagnostic in diagnostics[:MAX_SHOWN]:
        for line in _lines(diagnostic):
            console.print(line, soft_wrap=True)
        console.print()
    if len(diagnostics) > MAX_SHOWN:
        console.print(f"... and {len(diagnostics) - MAX_SHOWN:,} more\n", soft_wrap=True)
    if diagnostics:
        console.print(Text(summary(diagnostics), "bold"), soft_wrap=True)


def full_text(diagnostics: Sequence[Diagnostic]) -> str:
    """Return what `print_full` prints, as plain text."""
    file = io.StringIO()
    print_full(diagnostics, text_console(file))
    return file.getvalue()


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """Return the number of errors and of advice, as in `2 errors, 1 piece of advice`."""
    errors = sum(item.severity is Severity.ERROR for item in diagnostics)
    advice = len(diagnostics) - errors
    parts = [f"{errors} error{'s' * (errors != 1)}"] if errors else []
    parts += [f"{advice} piece{'s' * (advice != 1)} of advice"] if advice else []
    return ", ".join(parts)


def _lines(diagnostic: Diagnostic) -> Iterator[Text]:
    color = "red" if diagnostic.severity is Severity.ERROR else "yellow"
    title = Text()
    title.append(f"{diagnostic.severity.value}[{diagnostic.code}]", f"bold {color}")
    title.append(f": {printable(diagnostic.message)}", "bold")
    yield title

    marks = [_Mark(diagnostic.span, diagnostic.label_text, True)]
    marks += [_Mark(label.span, label.text, False) for label in diagnostic.secondary]
    gutter = max(len(str(mark.span.line)) for mark in marks)
    yield from _places(marks, gutter, color)

    for note in diagnostic.notes:
        yield _trailer(gutter, "note", note)
    if diagnostic.help_text:
        yield _trailer(gutter, "help", diagnostic.help_text)
    if diagnostic.fix is not None and not _is_in_help(diagnostic.fix.title, diagnostic.help_text):
        yield _trailer(gutter, "fix", diagnostic.fix.title)


def _is_in_help(title: str, help_text: str) -> bool:
    """Whether the help already contains what a fix writes."""
    written = re.findall("`[^`]+`", title)
    return title in help_text or (bool(written) and all(word in help_text for word in written))


def _places(marks: list[_Mark], gutter: int, color: str) -> Iterator[Text]:
    """Yield the marked lines, those of the primary source first."""
    primary = marks[0].span.source
    ordered = sorted(marks, key=lambda mark: (mark.span.source is not primary, mark.span.line, mark.span.column))
    for source, group in groupby(ordered, key=lambda mark: mark.span.source):
        found = list(group)
        shown = next((mark for mark in found if mark.primary), found[0])
        arrow = "-->" if source is primary else ":::"
        yield Text.assemble((f"{' ' * gutter}{arrow} ", "bold blue"), printable(str(shown.span)))
        if source.text:
            yield from _excerpt(source, found, gutter, color)


def _excerpt(source: Source, marks: Iterable[_Mark], gutter: int, color: str) -> Iterator[Text]:
    bar = Text(f"{' ' * gutter} |", "bold blue")
    yield bar
    last: int | None = None
    for number, found in _rows(source, marks):
        if last is not None and number > last + 1:
            yield Text("...", "bold blue")
        last = number

        line = source.line(number)
        start = _window_start(found[0], line)
        cut = line[start : start + _WINDOW]
        shown = ("…" if start else "") + printable(cut) + ("…" if start + _WINDOW < len(line) else "")
        yield Text.assemble((f"{number:>{gutter}} | ", "bold blue"), shown)
        for mark in found:
            yield _underline(mark, line, start, gutter, color)
    yield bar


def _rows(source: Source, marks: Iterable[_Mark]) -> Iterator[tuple[int, list[_Mark]]]:
    """Group the marks that share an excerpt: those of one line within its window."""
    rows: list[tuple[int, list[_Mark]]] = []
    for mark in marks:
        number, column = mark.span.line, mark.span.column
        reach = _WINDOW // 2 if len(source.line(number)) > _WINDOW else _WINDOW
        if rows and rows[-1][0] == number and column - rows[-1][1][0].span.column < reach:
            rows[-1][1].append(mark)
        else:
            rows.append((number, [mark]))
    return iter(rows)


def _window_start(mark: _Mark, line: str) -> int:
    """Return the first code point of a line that is shown: 0 if the whole line fits."""
    return max(0, mark.span.column - 1 - _WINDOW // 2) if len(line) > _WINDOW else 0


def _underline(mark: _Mark, line: str, start: int, gutter: int, color: str) -> Text:
    first = mark.span.column - 1
    end = mark.span.end_column - 1 if mark.span.end_line == mark.span.line else len(line)
    end = max(first, min(end, start + _WINDOW))
    before = cell_len(printable(line[start:first])) + (1 if start else 0)
    width = max(1, cell_len(printable(line[first:end])))
    style = f"bold {color}" if mark.primary else "bold blue"
    text = Text.assemble((f"{' ' * gutter} | ", "bold blue"), " " * before)
    text.append(("^" if mark.primary else "-") * width, style)
    if mark.text:
        text.append(f" {printable(mark.text)}", style)
    return text


def _trailer(gutter: int, word: str, text: str) -> Text:
    return Text.assemble((f"{' ' * gutter} = ", "bold blue"), (f"{word}: ", "bold"), printable(text))
