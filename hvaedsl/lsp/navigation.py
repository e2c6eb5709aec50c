"""Go to definition: the base of `extends`, the `let` of `$n`, the first `@label`, and the key that one replaces."""

from __future__ import annotations

import re
from collections.abc import Callable

from lsprotocol.types import Location

from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.lsp.analysed import Analysed, assignments
from hvaedsl.lsp.position import Lines
from hvaedsl.lsp.words import Word
from hvaedsl.syntax import ast

Uri = Callable[[Source], str | None]  # of a source that is a file; None of one that is none
_REFERENCE = re.compile(r"\$([A-Za-z_]\w*)")


def definition(analysed: Analysed, offset: int, uri: Uri) -> Location | None:
    """Where what stands at an offset is defined; None where it is defined nowhere else."""
    word = analysed.word_at(offset)
    span = _target(analysed, word) if word is not None else None
    return None if span is None else location(analysed, span, uri)


def location(analysed: Analysed, span: Span, uri: Uri) -> Location | None:
    """A span, in this text or a base, as the protocol has it; None where no file holds it."""
    where = uri(span.source)
    lines = analysed.lines if span.source is analysed.source else Lines(span.source.text, analysed.lines.encoding)
    return None if where is None else Location(where, lines.of_span(span))


def _target(analysed: Analysed, word: Word) -> Span | None:
    if word.role == "base":
        base = base_document(analysed)
        return base.source.span(0, 0) if base is not None else None
    if word.role == "label":
        uses = [item for item in analysed.words if item.role == "label" and item.dotted == word.dotted]
        first = next((item for item in uses if item.text == word.text), None)
        return analysed.source.span(first.start, first.end) if first is not None else None
    if word.role in ("key", "section"):
        return replaced(analysed, word.dotted)
    found = _REFERENCE.search(word.text) if word.role in ("reference", "block") else None
    let = constant(analysed, found[1]) if found else None
    return let.name.span if let is not None else None


def base_document(analysed: Analysed) -> ast.Document | None:
    """The document that this text extends, where it could be read."""
    return analysed.documents[-2] if len(analysed.documents) > 1 else None


def constant(analysed: Analysed, name: str) -> ast.Let | None:
    """The `let` of a constant that counts: the one nearest to this text."""
    found = analysed.lets().get(name)
    return found[0] if found is not None else None


def replaced(analysed: Analysed, dotted: str) -> Span | None:
    """Where the nearest base writes a key that this text writes too."""
    for document in reversed(analysed.documents[:-1]):
        for key, item in assignments(document.statements):
            if key == dotted:
                return item.key.span
    return None
