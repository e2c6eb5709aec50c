"""Edits that add entries to a block list, and statements to a spec."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hvaedsl.diagnostics.diagnostic import Edit, insertion
from hvaedsl.diagnostics.span import Source, Span

_SPACE = r"(?:\s|\#[^\r\n]*)*"
# What is before the first entry of repetitions and groups: `2*(`, `$n*`, `(`.
_OPENED = re.compile(r"(?:(?:[0-9_]+|\$[A-Za-z_][A-Za-z0-9_]*)\s*\*\s*|\(\s*)+\Z")
_REST_OF_LINE = re.compile(r"[^\r\n]*")
_BRACE = re.compile(rf"{_SPACE}\{{")
_FIRST_STATEMENTS = re.compile(rf'\ufeff?{_SPACE}hvae\s+[0-9]+\b(?:{_SPACE}\bextends\s*"[^"\r\n]*")?')


def before_item(entry: Span, entries: str) -> Edit:
    """Insert entries before the item of a block list that starts with the entry at `entry`."""
    opened = _OPENED.search(entry.source.text, max(0, entry.start - 200), entry.start)
    return insertion(entry.source, opened.start() if opened else entry.start, f"{entries}, ")


def at_start(blocks: Span, entries: str) -> Edit:
    """Insert entries at the start of the block list at `blocks`."""
    return insertion(blocks.source, blocks.start + blocks.text.startswith("["), f"{entries}, ")


def at_end(blocks: Span, entries: str) -> Edit:
    """Insert entries at the end of the block list at `blocks`."""
    return insertion(blocks.source, blocks.end - blocks.text.startswith("["), f", {entries}")


def after_value(value: Span, statement: str) -> Edit:
    """Insert a statement behind the statement whose value is at `value`."""
    apart = "" if value.after in ("", " ", "\t", "\r", "\n") else " "
    return insertion(value.source, value.end, f"  {statement}{apart}")


def in_section(name: Span, statement: str) -> Edit | None:
    """Insert a statement at the start of the section with its name at `name`; None if its `{` is not found."""
    text = name.source.text
    brace = _BRACE.match(text, name.end)
    if brace is None:
        return None

    at = brace.end()
    if re.compile(r"[ \t]*[\r\n]").match(text, at) is None:
        return insertion(name.source, at, f" {statement}" + " " * (text[at : at + 1] not in (" ", "\t")))
    line_break = "\r\n" if "\r\n" in text else "\n"
    start = max(text.rfind("\n", 0, name.start), text.rfind("\r", 0, name.start)) + 1
    indent = text[start : name.start]
    return insertion(name.source, at, f"{line_break}{indent if indent.isspace() else ''}  {statement}")


def at_end_of_file(source: Source, statement: str) -> Edit:
    """Insert a statement at the end of a text."""
    apart = "" if source.text.endswith("\n") else "\n"
    return insertion(source, len(source.text), f"{apart}{statement}\n")


def at_top_level(source: Source, statement: str) -> Edit | None:
    """Insert a statement behind `hvae 1` and `extends`; None if the text does not start with `hvae`."""
    start = _FIRST_STATEMENTS.match(source.text)
    return None if start is None else insertion(source, start.end(), f"\n{statement}")


def behind_constants(source: Source, lets: Sequence[Span], statement: str) -> Edit | None:
    """Insert a statement on a line of its own behind the last `let`, or at the top level; None without `hvae`."""
    first = at_top_level(source, statement)
    if first is None:
        return None
    at = lets[-1].end if lets else first.span.start
    rest = _REST_OF_LINE.match(source.text, at)
    assert rest is not None  # it matches any text
    line_break = "\r\n" if "\r\n" in source.text else "\n"
    is_free = not rest[0].strip() or rest[0].lstrip().startswith("#")
    return insertion(source, rest.end() if is_free else at, f"{line_break}{statement}")
