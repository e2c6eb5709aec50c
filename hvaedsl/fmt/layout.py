"""Lay out statements as text: indentation, aligned `=` and comments, blank lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hvaedsl.fmt.lexemes import Lexeme
from hvaedsl.fmt.units import Kind, Unit
from hvaedsl.fmt.values import WIDTH, Line, ValueWriter, read_items, space

_INDENT = 2
_LONGEST_HEAD = 40  # a longer key does not move the `=` of the statements beside it


@dataclass(eq=False)
class _Group:
    """Adjacent statements, whose `=` are in one column."""

    head: int = 0  # columns of the longest key


def text_of(units: Sequence[Unit]) -> str:
    """The formatted text; empty if there are no tokens and no comments."""
    lines: list[Line] = []
    before: Unit | None = None
    groups = _groups(units)
    column = object()
    for at, (unit, group) in enumerate(zip(units, groups, strict=True)):
        if at and group is not groups[at - 1]:
            column = object()

        made = _lines(unit, group, column)
        if made and made[-1].aligned_with is not column:  # a block list, or several lines: the column ends here
            column = object()

        # An empty section is one line, and so are units that a comment suppresses together.
        empty = before is not None and _is_empty_section(before, unit)
        if unit.joined or empty:
            first, *made = made
            lines[-1].text += first.text if empty else f" {first.text}"
            lines[-1].comment, lines[-1].aligned_with = first.comment, None
        lines += made
        before = unit
    return "".join(f"{line}\n" for line in _with_comments(lines))


def _groups(units: Sequence[Unit]) -> list[_Group]:
    """The group of each unit; a blank line, and the head or closing brace of a section, start a new group."""
    groups: list[_Group] = []
    for at, unit in enumerate(units):
        continues = at > 0 and unit.kind is units[at - 1].kind is Kind.STATEMENT and not unit.blank_within
        groups.append(groups[-1] if continues else _Group())
        head = len(_head(unit))
        if head <= _LONGEST_HEAD:
            groups[-1].head = max(groups[-1].head, head)
    return groups


def _head(unit: Unit) -> str:
    """The text before the `=`; empty if its column cannot be aligned."""
    at = _equal(unit)
    if not at or unit.joined or (unit.verbatim and unit.lexemes[0].line != unit.lexemes[at + 1].line):
        return ""
    return _joined(unit.lexemes[:at])


def _equal(unit: Unit) -> int:
    """The index of the `=` of a statement, 0 if it has none."""
    if unit.kind is not Kind.STATEMENT:
        return 0
    return next((at for at, item in enumerate(unit.lexemes[:3]) if item.kind == "EQUAL"), 0)


def _joined(lexemes: Sequence[Lexeme]) -> str:
    """Tokens on one line."""
    return lexemes[0].text + "".join(space(before, after) + after.text for before, after in pairwise(lexemes))


def _is_empty_section(opening: Unit, closing: Unit) -> bool:
    """Whether two units are an empty section, and no comment belongs to only one of them."""
    if opening.kind is not Kind.OPEN or closing.kind is not Kind.CLOSE or opening.behind or closing.above:
        return False
    return closing.joined or not (opening.verbatim or closing.verbatim)


def _lines(unit: Unit, group: _Group, column: object) -> list[Line]:
    """The comments above a unit and the unit itself; `column` identifies the column of comments of its group."""
    indent = _INDENT * unit.depth
    body, moved_up = _body(unit, group, indent)
    if body:
        body[-1].comment = unit.behind
        block_list = any(item.kind in ("BLOCK", "OPERATOR") for item in unit.lexemes)
        mark = object() if len(body) > 1 else None if block_list else column
        for line in body:
            line.aligned_with = mark

    # Comments above a closing brace belong to the section, and are indented with it.
    lines: list[Line] = []
    for comment in unit.above:
        lines += [Line(0)] * comment.blank_before
        lines.append(Line(indent + _INDENT * (unit.kind is Kind.CLOSE), comment=comment.text))
    lines += [Line(0)] * unit.blank_before
    lines += [Line(indent, comment=comment) for comment in moved_up]
    return lines + body


def _body(unit: Unit, group: _Group, indent: int) -> tuple[list[Line], list[str]]:
    """The lines of a unit, and the comments before its value, which are moved above it."""
    if unit.kind is Kind.END:
        return [], []

    equal = _equal(unit)
    head = _head(unit)
    padded = head.ljust(group.head) if 0 < len(head) <= _LONGEST_HEAD else head
    if unit.verbatim:
        return list(_as_written(unit, padded, indent)), []

    # Comments between a key and its value have no place on the line of the key.
    before_value = unit.lexemes[1 : equal + 1] if equal else unit.lexemes[1:]
    moved_up = [comment.text for item in before_value for comment in item.comments]
    if not equal:
        return [Line(indent, _joined(unit.lexemes))], moved_up

    items = read_items(unit.lexemes[equal + 1 :])
    moved_up += items[0].above
    items[0].above = []
    return ValueWriter(indent, f"{padded} = ").write(items), moved_up


def _as_written(unit: Unit, padded_head: str, indent: int) -> Iterator[Line]:
    """A unit with its line breaks kept, for a comment that suppresses advice on only one of these lines."""
    head = _equal(unit) if padded_head else 0
    line = Line(indent, padded_head or unit.lexemes[0].text)
    column = indent + len(f"{padded_head} = ") if padded_head and len(padded_head) <= _LONGEST_HEAD else indent + 2
    at = head or 1

    for before, item in pairwise(unit.lexemes[at - 1 :]):
        if item.line == before.line:
            line.text += space(before, item) + item.text
            continue

        comments = [comment.text for comment in item.comments]
        if comments and not item.comments[0].own_line:
            line.comment = comments.pop(0)
        yield line
        yield from (Line(column, comment=comment) for comment in comments)
        line = Line(column, item.text)
    yield line


def _with_comments(lines: Sequence[Line]) -> Iterator[str]:
    """The lines as text, with each comment two spaces after the text of its line, or in the column of its group."""
    columns: defaultdict[int, int] = defaultdict(int)
    for line in lines:
        if line.text and line.comment and line.aligned_with is not None and line.indent + len(line.text) <= WIDTH:
            key = id(line.aligned_with)
            columns[key] = max(columns[key], line.indent + len(line.text))

    for line in lines:
        text = " " * line.indent + line.text if line.text or line.comment else ""
        if line.text and line.comment:
            text = f"{text:<{columns[id(line.aligned_with)] if line.aligned_with is not None else 0}}  "
        yield text + line.comment
