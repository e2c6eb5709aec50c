"""The parts of a spec that an editor can fold: sections, values and comments of several lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lsprotocol.types import FoldingRange, FoldingRangeKind

from hvaedsl.diagnostics.span import Span
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.paths import children, span_of
from hvaedsl.syntax import ast

_CLOSING = ("}", "]", ")")
_COMMENT_LINE = re.compile(r"[ \t]*#")
_LINE_BREAK = re.compile(r"\r\n?|\n")


def folding_ranges(analyzed: AnalyzedText) -> list[FoldingRange]:
    """Return every section, value and comment of several lines; a closing bracket alone on the last line stays."""
    found: dict[tuple[int, int], FoldingRange] = {}
    for span in _foldable(analyzed.statements):
        start, end = analyzed.lines.position(span.start).line, analyzed.lines.position(span.end).line
        last = analyzed.text[analyzed.lines.line_start(span.end) : span.end].strip()
        end -= last in _CLOSING
        if end > start:
            found.setdefault((start, end), FoldingRange(start, end))
    for start, end in _comments(analyzed.text):
        found.setdefault((start, end), FoldingRange(start, end, kind=FoldingRangeKind.Comment))
    return [found[place] for place in sorted(found)]


def _foldable(statements: tuple[ast.Statement, ...]) -> Iterator[Span]:
    for item in statements:
        match item:
            case ast.Section():
                yield item.span
                yield from _foldable(item.statements)
            case ast.Assignment() | ast.Let():
                yield item.span
                yield from _brackets(item.value)


def _brackets(node: ast.Node) -> Iterator[Span]:
    """The parts of a value that are in brackets."""
    span = span_of(node)
    if isinstance(node, ast.Group | ast.Map | ast.Call) or (isinstance(node, ast.List) and span.text.startswith("[")):
        yield span
    for inner in children(node):
        yield from _brackets(inner)


def _comments(text: str) -> Iterator[tuple[int, int]]:
    """The first and the last line of comments of several lines; a string cannot begin a line with `#`."""
    start = None
    lines = _LINE_BREAK.split(text)
    for number, line in enumerate([*lines, ""]):
        if _COMMENT_LINE.match(line):
            start = number if start is None else start
        elif start is not None:
            if number - 1 > start:
                yield start, number - 1
            start = None
