"""Go to definition: the base of `extends`, the `let` of `$n`, the first `@label`, and the key of a base or `$base`."""

from __future__ import annotations

from collections.abc import Callable

from lsprotocol.types import Location

from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.elaborate.constants import BASE
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.family import places
from hvaedsl.lsp.occurrences import Name, occurrences
from hvaedsl.lsp.placed_tokens import PlacedToken
from hvaedsl.lsp.position import Lines
from hvaedsl.syntax import ast
from hvaedsl.syntax.assignments import assignments

Uri = Callable[[Source], str | None]  # the URI of a source; None if it is not a file


def definition(analyzed: AnalyzedText, offset: int, uri: Uri) -> Location | None:
    """Return where the name at an offset is defined; None if it has no other definition."""
    token = analyzed.token_at(offset)
    span = _target(analyzed, token) if token is not None else None
    return None if span is None else location(analyzed, span, uri)


def location(analyzed: AnalyzedText, span: Span, uri: Uri) -> Location | None:
    """Convert a span of this text or a base; None if its source is not a file."""
    where = uri(span.source)
    lines = analyzed.lines if span.source is analyzed.source else Lines(span.source.text, analyzed.lines.encoding)
    return None if where is None else Location(where, lines.of_span(span))


def _target(analyzed: AnalyzedText, token: PlacedToken) -> Span | None:
    if token.role == "base":
        base = base_document(analyzed)
        return base.source.span(0, 0) if base is not None else None
    if token.role == "label":
        _, items = places(analyzed, Name("label", token.text, token.dotted))[0]
        return analyzed.source.span(items[0].start, items[0].end)
    if token.role in ("key", "section"):
        return replaced(analyzed, token.dotted)

    name = next((item.name.text for item in occurrences([token]) if item.name.kind == "constant"), None)
    let = analyzed.definition(name) if name is not None else None
    if let is None and name == BASE:
        return replaced(analyzed, token.dotted)
    return let.span if let is not None else _half_written(analyzed, name)


def base_document(analyzed: AnalyzedText) -> ast.Document | None:
    """The document that this text extends, if it could be read."""
    return analyzed.documents[-2] if len(analyzed.documents) > 1 else None


def _half_written(analyzed: AnalyzedText, name: str | None) -> Span | None:
    """The name in a `let` of this text that cannot be read."""
    found = next((item for item in analyzed.tokens if (item.role, item.text) == ("let", name)), None)
    return analyzed.source.span(found.start, found.end) if found is not None else None


def replaced(analyzed: AnalyzedText, dotted: str) -> Span | None:
    """The place of a key in the nearest base that has it."""
    for document in reversed(analyzed.documents[:-1]):
        for key, item in assignments(document.statements):
            if key == dotted:
                return item.key.span
    return None
