"""From statements to units: each starts a line, and has the comments above it and the one at its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from hvaedsl.fmt.lexemes import Comment, Lexeme
from hvaedsl.syntax import ast


class Kind(Enum):
    """The kind of a unit."""

    STATEMENT = "key = value, let, extends, hvae"
    OPEN = "name {"
    CLOSE = "}"
    END = "the end of the file"


@dataclass(frozen=True)
class Unit:
    """A statement, the head of a section, its closing brace, or the end of the file."""

    kind: Kind
    depth: int
    lexemes: Sequence[Lexeme]
    above: tuple[Comment, ...] = ()  # each on a separate line
    blank_before: bool = False  # between the last comment above and the unit itself
    behind: str = ""  # the comment that ends its last line
    joined: bool = False  # stays on the line of the unit before, since one comment suppresses advice on both

    @property
    def verbatim(self) -> bool:
        """Whether its line breaks are kept, because a comment suppresses advice on only some of its lines."""
        return any(item.suppressed for item in self.lexemes)

    @property
    def blank_within(self) -> bool:
        """Whether there is an empty line between the unit before and this one."""
        return self.blank_before or any(comment.blank_before for comment in self.above)


def units(statements: Sequence[ast.Statement], lexemes: Sequence[Lexeme]) -> list[Unit]:
    """The units of a text with their comments, and with the blank lines of the style."""
    found: list[Unit] = []
    for unit in _Splitter(lexemes).split(statements):
        first = unit.lexemes[0]
        comments, blank_before = first.comments, first.blank_before
        if found and comments and not comments[0].own_line:
            found[-1] = replace(found[-1], behind=comments[0].text)
            comments = comments[1:]
        joined = bool(found and first.suppressed and first.line == found[-1].lexemes[-1].line)
        found.append(replace(unit, above=comments, blank_before=blank_before, joined=joined))
    return [_spaced(unit, found[at - 1] if at else None) for at, unit in enumerate(found)]


class _Splitter:
    def __init__(self, lexemes: Sequence[Lexeme]) -> None:
        self.lexemes = lexemes
        self.at = 0

    def split(self, statements: Sequence[ast.Statement]) -> Iterator[Unit]:
        yield from self._statements(statements, 0)
        yield Unit(Kind.END, 0, self._take(1))

    def _statements(self, statements: Sequence[ast.Statement], depth: int) -> Iterator[Unit]:
        for statement in statements:
            if isinstance(statement, ast.Section):
                yield Unit(Kind.OPEN, depth, self._take(2))
                yield from self._statements(statement.statements, depth + 1)
                yield Unit(Kind.CLOSE, depth, self._take(1))
            else:
                end = self.at
                while self.lexemes[end].start < statement.span.end:
                    end += 1
                yield Unit(Kind.STATEMENT, depth, self._take(end - self.at))

    def _take(self, count: int) -> Sequence[Lexeme]:
        self.at += count
        return self.lexemes[self.at - count : self.at]


def _spaced(unit: Unit, before: Unit | None) -> Unit:
    """The unit with the blank lines of the style above it."""
    if unit.joined:
        return unit
    if before is None or before.kind is Kind.OPEN:
        unit = _with_blank_above(unit, False)
    if unit.kind in (Kind.CLOSE, Kind.END):
        unit = replace(unit, blank_before=False)
    sections_meet = unit.kind is Kind.OPEN or (before is not None and before.kind is Kind.CLOSE)
    if before is None or unit.depth or unit.kind in (Kind.CLOSE, Kind.END) or not sections_meet:
        return unit
    return unit if unit.blank_within else _with_blank_above(unit, True)


def _with_blank_above(unit: Unit, blank: bool) -> Unit:
    if not unit.above:
        return replace(unit, blank_before=blank)
    return replace(unit, above=(replace(unit.above[0], blank_before=blank), *unit.above[1:]))
