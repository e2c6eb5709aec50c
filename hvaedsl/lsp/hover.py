"""Hover: the meaning of the text at the cursor."""

from __future__ import annotations

import re

from lsprotocol.types import Hover, MarkupContent, MarkupKind

from hvaedsl.diagnostics.span import Source
from hvaedsl.ir.cells import CELLS
from hvaedsl.ir.datasets import DATASETS
from hvaedsl.ir.kinds import OTHER, ChoiceOrCustom
from hvaedsl.ir.spec import SECTIONS
from hvaedsl.lsp.analyzed import AnalyzedText, within
from hvaedsl.lsp.entries import block_lists, compiled, entries
from hvaedsl.lsp.entry_text import entry_text
from hvaedsl.lsp.key_text import dataset_text, key_text, schema_key
from hvaedsl.lsp.navigation import base_document, constant
from hvaedsl.lsp.placed_tokens import PlacedToken, comment_at
from hvaedsl.report.explain import template_title
from hvaedsl.rules import KINDS
from hvaedsl.syntax import ast

_CODE = re.compile(r"HV\d{3}")
_NAME_AT_END = re.compile(r"\$([A-Za-z_]\w*)\Z")


def hover(analyzed: AnalyzedText, offset: int, kind: MarkupKind = MarkupKind.Markdown) -> Hover | None:
    """Return what the text at an offset means; None if there is nothing to show."""
    found = _text_and_range(analyzed, offset)
    if found is None:
        return None
    text, start, end = found
    return Hover(MarkupContent(kind, text), analyzed.lines.range(start, end))


def _text_and_range(analyzed: AnalyzedText, offset: int) -> tuple[str, int, int] | None:
    """The text of the hover, with the start and end of the part that it describes."""
    if comment_at(analyzed.text, offset) is not None:
        return _code(analyzed, offset)
    token = analyzed.token_at(offset)
    return None if token is None else _entry(analyzed, offset) or _token(analyzed, token)


def _code(analyzed: AnalyzedText, offset: int) -> tuple[str, int, int] | None:
    """The rule of a code in an ignore comment."""
    begin, end = analyzed.lines.line_start(offset), analyzed.lines.line_end(offset)
    for found in _CODE.finditer(analyzed.text, begin, end):
        if found.start() <= offset <= found.end() and found[0] in KINDS:
            kind = KINDS[found[0]]
            return f"**{kind.code}**: {template_title(kind)}\n\n{kind.why}", *found.span()
    return None


def _entry(analyzed: AnalyzedText, offset: int) -> tuple[str, int, int] | None:
    """The operations of a block-list entry and their cost."""
    for key, value in block_lists(analyzed).items():
        if not within(value.span, offset):
            continue
        for entry, label in entries(value):
            span = entry.span if label is None else entry.span.to(label.span)
            if within(span, offset):
                found = compiled(analyzed, key)
                is_compiled = analyzed.compilation is not None
                text = entry_text(entry, key.removeprefix("model."), span.text, found, is_compiled=is_compiled)
                constants = _constants(analyzed, span.text)
                return "\n\n".join([text, *constants]), span.start, span.end
    return None


def _constants(analyzed: AnalyzedText, text: str) -> list[str]:
    names = re.findall(r"\$([A-Za-z_]\w*)", text)
    return [text for text in (_constant(analyzed, name) for name in names) if text]


def _constant(analyzed: AnalyzedText, name: str) -> str:
    found = constant(analyzed, name)
    if found is None:
        return ""
    value = found.value.value if isinstance(found.value, ast.Integer) else "?"
    here = found.span.source is analyzed.source
    where = f"line {found.span.line}" if here else f"{found.span.source.name}, line {found.span.line}"
    return f"`${name}` = {value}, defined in {where}"


def _token(analyzed: AnalyzedText, token: PlacedToken) -> tuple[str, int, int] | None:
    text: str | None = None
    match token.role:
        case "key":
            text = key_text(analyzed, token.dotted)
        case "section" if token.dotted in SECTIONS:
            text = (SECTIONS[token.dotted].__doc__ or "").strip()
        case "let":
            text = _constant(analyzed, token.text)
        case "base":
            text = _base(analyzed)
        case "symbol" | "function":
            text = _symbol(token)
        case _:
            found = _NAME_AT_END.search(token.text)
            text = _constant(analyzed, found[1]) if found else None
    return (text, token.start, token.end) if text else None


def _base(analyzed: AnalyzedText) -> str:
    base = base_document(analyzed)
    if base is None:
        return ""
    first = Source("", base.source.text.lstrip()).line(1)
    about = first.lstrip("# ").rstrip() if first.startswith("#") else ""
    return "\n\n".join(part for part in (f"`{base.source.name}`", about) if part)


def _symbol(token: PlacedToken) -> str:
    dotted = token.dotted
    key = schema_key(dotted)
    if key is None:
        return ""
    if token.text == OTHER:
        return f"`{OTHER}`: the value of the resolutions that the map does not name"
    if isinstance(key.kind, ChoiceOrCustom) and token.text in DATASETS:
        return dataset_text(token.text)
    if dotted == "model.cell" and token.text in CELLS:
        cell = CELLS[token.text]
        return f"`{cell.name}`: {cell.title}\n\n```\n{chr(10).join(cell.equations)}\n```\n\n{cell.reading}"
    return f"`{token.text}` for `{dotted}`: {key.meaning}"
