"""Go to definition: the base of `extends`, the `let` of `$n`, the first `@label`, and the key of a base."""

from __future__ import annotations

import re
from collections.abc import Callable

from lsprotocol.types import Location

from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.lsp.analyzed import AnalyzedText, assignments
from hvaedsl.lsp.placed_tokens import PlacedToken
from hvaedsl.lsp.position import Lines
from hvaedsl.syntax import ast

Uri = Callable[[Source], str | None]  # the URI of a source; None if it is not a file
_REFERENCE = re.compile(r"\$([A-Za-z_]\w*)")


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
        uses = [item for item in analyzed.tokens if item.role == "label" and item.dotted == token.dotted]
        first = next((item for item in uses if item.text == token.text), None)
        return analyzed.source.span(first.start, first.end) if first is not None else None
    if token.role in ("key", "section"):
        return replaced(analyzed, token.dotted)
    found = _REFERENCE.search(token.text) if token.role in ("reference", "block") else None
    let = constant(analyzed, found[1]) if found else None
    return let.name.span if let is not None else None


def base_document(analyzed: AnalyzedText) -> ast.Document | None:
    """The document that this text extends, if it could be read."""
    return analyzed.documents[-2] if len(analyzed.documents) > 1 else None


def constant(analyzed: AnalyzedText, name: str) -> ast.Let | None:
    """The `let` of a constant that is in effect: the one nearest to this text."""
    found = analyzed.lets().get(name)
    return found[0] if found is not None else None


def replaced(analyzed: AnalyzedText, dotted: str) -> Span | None:
    """The place of a key in the nearest base that has it."""
    for document in reversed(analyzed.documents[:-1]):
        for key, item in assignments(document.statements):
            if key == dotted:
                return item.key.span
    return None
