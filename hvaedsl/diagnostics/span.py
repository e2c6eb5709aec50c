"""Places: a source text and a half-open range in it.

Lines and columns are 1-based, columns count code points, and the end is exclusive. A line ends at LF, CRLF or a lone
CR, as it does for editors.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Any

from hvaedsl.diagnostics.record import Record

_PLACES = frozenset(("line", "column", "end_line", "end_column"))
_LINE_BREAK = re.compile(r"\r\n?|\n")


class Source(Record):
    """A text that spans point into: a file, or a value from the command line."""

    name: str  # as diagnostics print it: the path that the user gave, or an option such as "--set model.width"
    text: str = field(repr=False)
    path: Path | None = field(default=None, compare=False)  # None if the text is not a file; relative or resolved

    def line(self, number: int) -> str:
        """The text of line `number` (1-based) without its line break; empty past the end."""
        starts = self._line_starts
        if not 0 < number <= len(starts):
            return ""
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")

    def span(self, start: int, end: int) -> Span:
        """The span of code points `start` (inclusive) to `end` (exclusive)."""
        return Span.unchecked(source=self, start=start, end=end)

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(found.end() for found in _LINE_BREAK.finditer(self.text))]

    def place(self, offset: int) -> tuple[int, int]:
        """The line and column of an offset."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1


class ListUse(Record):
    """The place where a named list, or the list of a base, is an entry of a key's list."""

    span: Span  # of the name; the outermost one if lists use each other
    alone: bool  # whether it is the only use, so that an edit of the definition changes nothing else


class Span(Record):
    """A range of a source. `Source.span` makes one whose lines and columns are computed when they are first used."""

    source: Source = field(repr=False)
    start: int
    end: int
    line: int
    column: int
    end_line: int
    end_column: int
    use: ListUse | None = field(default=None, compare=False, repr=False)  # of the list that contains this place

    def __getattr__(self, name: str) -> Any:
        """A line or a column that has not been used yet. Raises `AttributeError` for another name."""
        known = self.__dict__
        if name not in _PLACES or "source" not in known:
            raise AttributeError(name)
        known["line"], known["column"] = known["source"].place(known["start"])
        known["end_line"], known["end_column"] = known["source"].place(known["end"])
        return known[name]

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> Any:
        """The schema of a field with a place, such as that of an operation: pydantic takes the object as it is."""
        from pydantic_core.core_schema import is_instance_schema

        return is_instance_schema(cls)

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`, in the same source."""
        return Span.unchecked(source=self.source, start=self.start, end=other.end, use=self.use)

    @property
    def text(self) -> str:
        """The source text of the span."""
        return self.source.text[self.start : self.end]

    @property
    def before(self) -> str:
        """The last character before the span that is not white space; empty at the start of the text."""
        return self.source.text[: self.start].rstrip()[-1:]

    @property
    def after(self) -> str:
        """The character after the span; empty at the end of the text."""
        return self.source.text[self.end : self.end + 1]

    def __str__(self) -> str:
        """`path:line:column`, the form that editors and terminals turn into links."""
        return f"{self.source.name}:{self.line}:{self.column}"
