"""Selection ranges: the word, the expression, the entry, the value, the statement and the sections around a cursor."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol.types import SelectionRange

from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.paths import path_to, span_of
from hvaedsl.syntax import ast


def selection_range(analyzed: AnalyzedText, offset: int) -> SelectionRange:
    """Return the ranges around an offset, each inside the next one; the last one is the whole text."""
    made: SelectionRange | None = None
    for start, end in dict.fromkeys(_ranges(analyzed, offset)):
        made = SelectionRange(analyzed.lines.range(start, end), made)
    assert made is not None
    return made


def _ranges(analyzed: AnalyzedText, offset: int) -> Iterator[tuple[int, int]]:
    """The places around an offset, the outermost first."""
    yield 0, len(analyzed.text)
    token = analyzed.token_at(offset)
    start, end = (token.start, token.end) if token is not None else (offset, offset)
    for node in path_to(analyzed.statements, start, end):
        span = span_of(node)
        if isinstance(node, ast.Section):
            inside = _inside_braces(node)
            yield span.start, span.end
            if inside[0] <= start and end <= inside[1]:
                yield inside
        else:
            yield span.start, span.end
    yield start, end


def _inside_braces(section: ast.Section) -> tuple[int, int]:
    """The place of the statements of a section; that of its name if it has none."""
    if not section.statements:
        return section.name.span.start, section.name.span.end
    return span_of(section.statements[0]).start, span_of(section.statements[-1]).end
