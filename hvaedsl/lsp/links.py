"""Document links: the file that `extends` names."""

from __future__ import annotations

from lsprotocol.types import DocumentLink

from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.navigation import Uri, base_document
from hvaedsl.syntax import ast


def document_links(analyzed: AnalyzedText, uri: Uri) -> list[DocumentLink]:
    """Return a link to the base; none if it was not found."""
    base = base_document(analyzed)
    extends = next((item for item in analyzed.statements if isinstance(item, ast.Extends)), None)
    target = uri(base.source) if base is not None else None
    if base is None or extends is None or target is None:
        return []
    span = extends.target.span
    inside = analyzed.lines.range(span.start + 1, span.end - 1)  # without the quotes
    return [DocumentLink(inside, target, f"open {base.source.name}")]
