"""Document symbols: the outline of a spec, and what can be folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lsprotocol.types import DocumentSymbol, FoldingRange, Location, SymbolInformation, SymbolKind

from hvaedsl.diagnostics.span import Span
from hvaedsl.lsp.analysed import Analysed
from hvaedsl.syntax import ast

_CLOSING = ("}", "]", ")")
_LONGEST = 60  # code points of a value beside its key


def document_symbols(analysed: Analysed) -> list[DocumentSymbol]:
    """Sections with their keys, constants, and the base; what could not be read is left out."""
    return list(_symbols(analysed, analysed.statements))


def flat_symbols(analysed: Analysed) -> list[SymbolInformation]:
    """The same for clients that know no hierarchy."""
    return list(_flat(analysed, document_symbols(analysed)))


def _flat(
    analysed: Analysed, symbols: Iterable[DocumentSymbol], inside: str | None = None
) -> Iterator[SymbolInformation]:
    for item in symbols:
        yield SymbolInformation(Location(analysed.uri, item.range), item.name, item.kind, container_name=inside)
        yield from _flat(analysed, item.children or (), item.name)


def _symbols(analysed: Analysed, statements: tuple[ast.Statement, ...]) -> Iterator[DocumentSymbol]:
    for item in statements:
        match item:
            case ast.Section():
                inner = list(_symbols(analysed, item.statements))
                yield _symbol(analysed, item.name.text, SymbolKind.Module, item.span, item.name.span, "", inner)
            case ast.Assignment():
                detail = _shortened(item.value.span.text)
                yield _symbol(analysed, item.key.text, SymbolKind.Property, item.span, item.key.span, detail)
            case ast.Let():
                detail = _shortened(item.value.span.text)
                yield _symbol(analysed, item.name.text, SymbolKind.Constant, item.span, item.name.span, detail)
            case ast.Extends():
                detail = _shortened(item.target.value)
                yield _symbol(analysed, "extends", SymbolKind.File, item.span, item.target.span, detail)


def _symbol(
    analysed: Analysed,
    name: str,
    kind: SymbolKind,
    span: Span,
    selection: Span,
    detail: str,
    children: list[DocumentSymbol] | None = None,
) -> DocumentSymbol:
    lines = analysed.lines
    return DocumentSymbol(name, kind, lines.of_span(span), lines.of_span(selection), detail or None, children=children)


def _shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST else f"{flat[: _LONGEST - 1]}…"


def folding_ranges(analysed: Analysed) -> list[FoldingRange]:
    """Every section, and every value, that runs over several lines; a bracket that begins its last line stays."""
    found = []
    for span in _foldable(analysed.statements):
        start, end = analysed.lines.position(span.start).line, analysed.lines.position(span.end).line
        last = analysed.text[analysed.lines.line_start(span.end) : span.end].strip()
        end -= last in _CLOSING
        if end > start:
            found.append(FoldingRange(start, end))
    return found


def _foldable(statements: tuple[ast.Statement, ...]) -> Iterator[Span]:
    for item in statements:
        if isinstance(item, ast.Section):
            yield item.span
            yield from _foldable(item.statements)
        elif isinstance(item, ast.Assignment):
            yield item.span
