"""The outline of a spec: sections, keys, constants and lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lsprotocol.types import DocumentSymbol, Location, SymbolInformation, SymbolKind

from hvaedsl.diagnostics.span import Span
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.entries import named_lists
from hvaedsl.syntax import ast

_LONGEST = 60  # code points of a value that is shown with its key


def document_symbols(analyzed: AnalyzedText) -> list[DocumentSymbol]:
    """Return the sections with their keys, the constants and the base, as far as they could be read."""
    return list(_symbols(analyzed, analyzed.statements))


def flat_symbols(analyzed: AnalyzedText) -> list[SymbolInformation]:
    """Return the symbols as a flat list, for clients without support for a hierarchy."""
    return list(_flat(analyzed, document_symbols(analyzed)))


def _flat(
    analyzed: AnalyzedText, symbols: Iterable[DocumentSymbol], inside: str | None = None
) -> Iterator[SymbolInformation]:
    for item in symbols:
        yield SymbolInformation(Location(analyzed.uri, item.range), item.name, item.kind, container_name=inside)
        yield from _flat(analyzed, item.children or (), item.name)


def _symbols(analyzed: AnalyzedText, statements: tuple[ast.Statement, ...]) -> Iterator[DocumentSymbol]:
    lists = named_lists(analyzed)
    for item in statements:
        match item:
            case ast.Section():
                inner = list(_symbols(analyzed, item.statements))
                yield _symbol(analyzed, item.name.text, SymbolKind.Module, item.span, item.name.span, "", inner)
            case ast.Assignment():
                detail = _shortened(item.value.span.text)
                yield _symbol(analyzed, item.key.text, SymbolKind.Property, item.span, item.key.span, detail)
            case ast.Let():
                detail = _shortened(item.value.span.text)
                kind = SymbolKind.Array if item.name.text in lists else SymbolKind.Constant
                yield _symbol(analyzed, item.name.text, kind, item.span, item.name.span, detail)
            case ast.Extends():
                detail = _shortened(item.target.value)
                yield _symbol(analyzed, "extends", SymbolKind.File, item.span, item.target.span, detail)


def _symbol(
    analyzed: AnalyzedText,
    name: str,
    kind: SymbolKind,
    span: Span,
    selection: Span,
    detail: str,
    children: list[DocumentSymbol] | None = None,
) -> DocumentSymbol:
    lines = analyzed.lines
    return DocumentSymbol(name, kind, lines.of_span(span), lines.of_span(selection), detail or None, children=children)


def _shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST else f"{flat[: _LONGEST - 1]}…"
