"""Workspace symbols: the specs of a project with their constants and lists, found by the letters of a query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from lsprotocol.types import Location, PositionEncodingKind, SymbolInformation, SymbolKind

from hvaedsl.diagnostics.span import Source
from hvaedsl.elaborate.definitions import list_names
from hvaedsl.lsp.position import Lines
from hvaedsl.syntax import ast
from hvaedsl.syntax.parser import parse_document

_MOST = 1000  # symbols of one answer
_MOST_TEXTS = 256  # whose symbols are kept for the next query


def workspace_symbols(
    sources: Iterable[tuple[str, Source]], query: str, encoding: PositionEncodingKind
) -> list[SymbolInformation]:
    """Return the symbols whose names have the letters of a query in their order; the case does not count.

    `sources` are texts with their URIs.
    """
    found: list[SymbolInformation] = []
    for where, source in sources:
        lines = Lines(source.text, encoding)
        for name, kind, start, end in _symbols(source):
            if _matches(name, query):
                place = Location(where, lines.range(start, end))
                container = source.name if kind != SymbolKind.File else None
                found.append(SymbolInformation(place, name, kind, container_name=container))
        if len(found) >= _MOST:
            break
    return found[:_MOST]


def _symbols(source: Source) -> Iterator[tuple[str, SymbolKind, int, int]]:
    if source.path is not None:
        yield source.path.stem, SymbolKind.File, 0, 0
    yield from _constants(source.text)


@lru_cache(maxsize=_MOST_TEXTS)
def _constants(text: str) -> tuple[tuple[str, SymbolKind, int, int], ...]:
    """The constants and lists of a text, as far as it can be read."""
    statements = parse_document(Source("", text)).document.statements
    lets = [item for item in statements if isinstance(item, ast.Let)]
    lists = list_names({item.name.text: item.value for item in lets})
    return tuple(
        (
            item.name.text,
            SymbolKind.Array if item.name.text in lists else SymbolKind.Constant,
            item.name.span.start,
            item.name.span.end,
        )
        for item in lets
    )


def _matches(name: str, query: str) -> bool:
    letters = iter(name.lower())
    return all(letter in letters for letter in query.lower())
