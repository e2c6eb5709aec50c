"""Formatting of a whole text or of some of its statements, as `hvaedsl fmt` does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from hvaedsl.diagnostics.diagnostic import Edit, edited
from hvaedsl.diagnostics.span import Source
from hvaedsl.fmt import format_source
from hvaedsl.fmt.lexemes import Lexeme, lexemes
from hvaedsl.fmt.units import units
from hvaedsl.syntax.parser import parse_document

_MOST_LINES = 5000  # of two texts that are compared line by line


def formatted_whole(source: Source) -> list[Edit]:
    """The edits that format a text; none if it is formatted. Raises as `format_source`."""
    text = format_source(source)
    return [] if text == source.text else [Edit(source.span(0, len(source.text)), text)]


def formatted_range(source: Source, start: int, end: int) -> list[Edit]:
    """The edits that format the statements between two offsets, each with its comments. Raises as `format_source`.

    A statement that continues the alignment of others gets the column that it has in the formatted text.
    """
    return formatted_at(source, [(start, end)])


def formatted_at(source: Source, places: Sequence[tuple[int, int]]) -> list[Edit]:
    """The edits that format the statements at several places. Raises as `format_source`."""
    whole = Source(source.name, format_source(source))
    before, after = lexemes(source), lexemes(whole)
    edits: list[Edit] = []
    for first, behind in _chosen(source, before, places):
        edits += _edits(source, whole, before, after, first, behind)
    if _comments(lexemes(Source(source.name, edited(source.text, edits)))) == _comments(before):
        return edits
    return [Edit(source.span(0, len(source.text)), whole.text)]  # a comment moves into another statement


def changed_lines(source: Source, text: str) -> list[Edit]:
    """The edits that turn a source into another text: the lines that differ."""
    old, new = source.text.splitlines(keepends=True), text.splitlines(keepends=True)
    if max(len(old), len(new)) > _MOST_LINES:
        return [Edit(source.span(0, len(source.text)), text)]
    starts = [0]
    for line in old:
        starts.append(starts[-1] + len(line))
    return [
        Edit(source.span(starts[first], starts[last]), "".join(new[low:high]))
        for what, first, last, low, high in SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        if what != "equal"
    ]


def _chosen(source: Source, read: Sequence[Lexeme], places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The runs of adjacent statements at some places: the first token of each, and the first one behind it."""
    found: list[tuple[int, int]] = []
    at = 0
    for unit in units(parse_document(source).document.statements, read):
        first, at = at, at + len(unit.lexemes)
        begin = _own_start(source.text, *_gap(read, first))
        finish = _own_start(source.text, *_gap(read, at)) if at < len(read) else len(source.text)
        if not any((begin < end and start < finish) or begin <= start == end < finish for start, end in places):
            continue
        behind = min(at, len(read) - 1)
        if found and found[-1][1] == first:
            found[-1] = found[-1][0], behind
        else:
            found.append((first, behind))
    return found


def _edits(
    source: Source, whole: Source, before: Sequence[Lexeme], after: Sequence[Lexeme], first: int, behind: int
) -> Iterator[Edit]:
    """Replace the space and the comments before each token; around the statements, only their own part of it."""
    line_break = "\r\n" if "\r\n" in source.text else "\n"
    for at in range(first, behind + 1):
        start, end = _gap(before, at)
        old, new = source.text[start:end], whole.text[slice(*_gap(after, at))]
        if line_break != "\n":
            new = new.replace("\n", line_break)
        shared = line_break in old and line_break in new  # with the statement before or behind
        if shared and at == first and at:
            new = _head(old, line_break) + _tail(new, line_break)
        if shared and at == behind and at < len(before) - 1:
            new = _head(new, line_break) + _tail(old, line_break)
        if new != old:
            yield Edit(source.span(start, end), new)


def _gap(read: Sequence[Lexeme], at: int) -> tuple[int, int]:
    """The place between the token before an index and the token at it."""
    before = read[at - 1]
    return (before.start + len(before.text) if at else 0), read[at].start


def _own_start(text: str, start: int, end: int) -> int:
    """Where the lines of a statement start: behind the line of the token before it, or at its first token."""
    line_end = text.find("\n", start, end)
    return end if line_end < 0 else line_end + 1


def _head(gap: str, line_break: str) -> str:
    """The part of a gap on the line of the token before it; all of it if the next token is on the same line."""
    return gap.partition(line_break)[0]


def _tail(gap: str, line_break: str) -> str:
    return gap[len(_head(gap, line_break)) :]


def _comments(read: Sequence[Lexeme]) -> list[str]:
    return [comment.text for item in read for comment in item.comments]
