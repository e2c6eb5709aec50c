"""Between offsets in code points, as the compiler counts, and the positions of the protocol.

A position is a line and a column, both from 0, the column in code units of the encoding that client and server agreed
on: UTF-16 unless the client offers another one. The protocol ends a line at LF, CRLF or a lone CR, and nowhere else.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from lsprotocol.types import Position, PositionEncodingKind, Range

from hvaedsl.span import Span

_LINE_BREAK = re.compile(r"\r\n?|\n")


@dataclass(frozen=True)
class Lines:
    """The lines of one text, in one encoding."""

    text: str
    encoding: PositionEncodingKind = PositionEncodingKind.Utf16

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in _LINE_BREAK.finditer(self.text))]

    @cached_property
    def _ends(self) -> list[int]:
        return [*(found.start() for found in _LINE_BREAK.finditer(self.text)), len(self.text)]

    def position(self, offset: int) -> Position:
        """The position of an offset in code points; one past the end is taken for the end."""
        offset = min(max(0, offset), len(self.text))
        line = bisect_right(self._starts, offset) - 1
        column = min(offset, self._ends[line])  # inside CRLF there is no position
        return Position(line, self._units(self.text[self._starts[line] : column]))

    def offset(self, position: Position) -> int:
        """The offset in code points; a column behind the line is its end, a line behind the text the text's end.

        A position inside a character is before it.
        """
        if position.line >= len(self._starts):
            return len(self.text)
        start, end = self._starts[position.line], self._ends[position.line]
        if self.encoding == PositionEncodingKind.Utf32:
            return min(start + position.character, end)
        units = 0
        for at in range(start, end):
            units += self._units(self.text[at])
            if units > position.character:
                return at
        return end

    def range(self, start: int, end: int) -> Range:
        """The range between two offsets."""
        return Range(self.position(start), self.position(end))

    def of_span(self, span: Span) -> Range:
        """The range of a span of this text."""
        return self.range(span.start, span.end)

    def line_end(self, offset: int) -> int:
        """Where the line that holds an offset ends, its line break left out."""
        return self._ends[bisect_right(self._starts, offset) - 1]

    def line_start(self, offset: int) -> int:
        """Where the line that holds an offset begins."""
        return self._starts[bisect_right(self._starts, offset) - 1]

    def length(self, start: int, end: int) -> int:
        """How many code units stand between two offsets of one line."""
        return self._units(self.text[start:end])

    def _units(self, text: str) -> int:
        if self.encoding == PositionEncodingKind.Utf32:
            return len(text)
        if self.encoding == PositionEncodingKind.Utf8:
            return len(text.encode("utf-8", "surrogatepass"))
        return len(text) + sum(letter > "\uffff" for letter in text)
