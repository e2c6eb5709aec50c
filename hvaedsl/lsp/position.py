"""Conversion between offsets in code points, which the compiler uses, and positions of the protocol.

A position is a 0-based line and column. The column counts code units of the negotiated encoding: UTF-16 unless the
client offers another. In the protocol a line ends only at LF, CRLF or a lone CR.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from lsprotocol.types import Position, PositionEncodingKind, Range

from hvaedsl.diagnostics.span import Span

_LINE_BREAK = re.compile(r"\r\n?|\n")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_ASTRAL = re.compile(r"[\U00010000-\U0010ffff]")


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

    @cached_property
    def _wide(self) -> list[int]:
        """Offsets of the characters that take more than one code unit."""
        if self.encoding == PositionEncodingKind.Utf32 or self.text.isascii():
            return []
        pattern = _NOT_ASCII if self.encoding == PositionEncodingKind.Utf8 else _ASTRAL
        return [found.start() for found in pattern.finditer(self.text)]

    @cached_property
    def _extra(self) -> list[int]:
        """Excess of code units over characters before each wide character and before the end."""
        more = (self._units(self.text[at]) - 1 for at in self._wide)
        return [0, *accumulate(more)]

    def position(self, offset: int) -> Position:
        """The position of an offset in code points, which is limited to the text."""
        return Position(*self.place(offset))

    def place(self, offset: int) -> tuple[int, int]:
        """The line and the character of a position."""
        offset = min(max(0, offset), len(self.text))
        line = bisect_right(self._starts, offset) - 1
        return line, self.length(self._starts[line], min(offset, self._ends[line]))  # never inside CRLF

    def end_of(self, line: int) -> int:
        """The end of a line (0-based), before the line break."""
        return self._ends[line]

    def offset(self, position: Position) -> int:
        """The offset in code points, limited to the line and to the text.

        A position inside a character becomes the offset before it.
        """
        if position.line >= len(self._starts):
            return len(self.text)
        start, end = self._starts[position.line], self._ends[position.line]
        behind = range(start + 1, end + 1)
        return start + bisect_right(behind, position.character, key=lambda at: self.length(start, at))

    def range(self, start: int, end: int) -> Range:
        """The range between two offsets."""
        return Range(self.position(start), self.position(end))

    def of_span(self, span: Span) -> Range:
        """The range of a span of this text."""
        return self.range(span.start, span.end)

    def line_end(self, offset: int) -> int:
        """The end of the line that contains an offset, before the line break."""
        return self._ends[bisect_right(self._starts, offset) - 1]

    def line_start(self, offset: int) -> int:
        """The start of the line that contains an offset."""
        return self._starts[bisect_right(self._starts, offset) - 1]

    def length(self, start: int, end: int) -> int:
        """The number of code units between two offsets."""
        if not self._wide:
            return end - start
        before, behind = bisect_left(self._wide, start), bisect_left(self._wide, end)
        return end - start + self._extra[behind] - self._extra[before]

    def _units(self, letter: str) -> int:
        """The number of code units of a wide character."""
        return len(letter.encode("utf-8", "surrogatepass")) if self.encoding == PositionEncodingKind.Utf8 else 2
