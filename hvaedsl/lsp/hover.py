"""Hover: what stands under the cursor means here."""

from __future__ import annotations

import re

from lsprotocol.types import Hover, MarkupContent, MarkupKind

from hvaedsl.ir.cells import CELLS
from hvaedsl.ir.datasets import DATASETS
from hvaedsl.ir.kinds import ChoiceOrCustom
from hvaedsl.ir.spec import SECTIONS
from hvaedsl.lsp.analysed import Analysed, within
from hvaedsl.lsp.entries import block_lists, compiled, entries
from hvaedsl.lsp.entry_text import entry_text
from hvaedsl.lsp.key_text import dataset_text, key_text, schema_key
from hvaedsl.lsp.navigation import base_document, constant
from hvaedsl.lsp.words import Word, comment_at
from hvaedsl.report.explain import template_title
from hvaedsl.rules import KINDS
from hvaedsl.syntax import ast

_CODE = re.compile(r"HV\d{3}")
_NAME_AT_END = re.compile(r"\$([A-Za-z_]\w*)\Z")


def hover(analysed: Analysed, offset: int, kind: MarkupKind = MarkupKind.Markdown) -> Hover | None:
    """The meaning of what stands at an offset; None where there is nothing to say."""
    found = _told(analysed, offset)
    if found is None:
        return None
    text, start, end = found
    return Hover(MarkupContent(kind, text), analysed.lines.range(start, end))


def _told(analysed: Analysed, offset: int) -> tuple[str, int, int] | None:
    """What is said, and of which part of the text."""
    if comment_at(analysed.text, offset) is not None:
        return _code(analysed, offset)
    word = analysed.word_at(offset)
    return None if word is None else _entry(analysed, offset) or _word(analysed, word)


def _code(analysed: Analysed, offset: int) -> tuple[str, int, int] | None:
    """A code in a comment that silences it."""
    begin, end = analysed.lines.line_start(offset), analysed.lines.line_end(offset)
    for found in _CODE.finditer(analysed.text, begin, end):
        if found.start() <= offset <= found.end() and found[0] in KINDS:
            kind = KINDS[found[0]]
            return f"**{kind.code}**: {template_title(kind)}\n\n{kind.why}", *found.span()
    return None


def _entry(analysed: Analysed, offset: int) -> tuple[str, int, int] | None:
    """An entry of a block list: what it stands for, and what that costs."""
    for key, value in block_lists(analysed).items():
        if not within(value.span, offset):
            continue
        for entry, label in entries(value):
            span = entry.span if label is None else entry.span.to(label.span)
            if within(span, offset):
                found = compiled(analysed, key)
                is_compiled = analysed.compilation is not None
                text = entry_text(entry, key.removeprefix("model."), span.text, found, is_compiled=is_compiled)
                constants = _constants(analysed, span.text)
                return "\n\n".join([text, *constants]), span.start, span.end
    return None


def _constants(analysed: Analysed, text: str) -> list[str]:
    names = re.findall(r"\$([A-Za-z_]\w*)", text)
    return [told for told in (_constant(analysed, name) for name in names) if told]


def _constant(analysed: Analysed, name: str) -> str:
    found = constant(analysed, name)
    if found is None:
        return ""
    value = found.value.value if isinstance(found.value, ast.Integer) else "?"
    here = found.span.source is analysed.source
    where = f"line {found.span.line}" if here else f"{found.span.source.name}, line {found.span.line}"
    return f"`${name}` = {value}, written in {where}"


def _word(analysed: Analysed, word: Word) -> tuple[str, int, int] | None:
    text: str | None = None
    match word.role:
        case "key":
            text = key_text(analysed, word.dotted)
        case "section" if word.dotted in SECTIONS:
            text = (SECTIONS[word.dotted].__doc__ or "").strip()
        case "let":
            text = _constant(analysed, word.text)
        case "base":
            text = _base(analysed)
        case "symbol" | "function":
            text = _symbol(word)
        case _:
            found = _NAME_AT_END.search(word.text)
            text = _constant(analysed, found[1]) if found else None
    return (text, word.start, word.end) if text else None


def _base(analysed: Analysed) -> str:
    base = base_document(analysed)
    if base is None:
        return ""
    first = base.source.text.lstrip()
    about = first.split("\n")[0].lstrip("# ").rstrip() if first.startswith("#") else ""
    return "\n\n".join(part for part in (f"`{base.source.name}`", about) if part)


def _symbol(word: Word) -> str:
    dotted = word.dotted
    key = schema_key(dotted)
    if key is None:
        return ""
    if isinstance(key.kind, ChoiceOrCustom) and word.text in DATASETS:
        return dataset_text(word.text)
    if dotted == "model.cell" and word.text in CELLS:
        cell = CELLS[word.text]
        return f"`{cell.name}`: {cell.title}\n\n```\n{chr(10).join(cell.equations)}\n```\n\n{cell.reading}"
    return f"`{word.text}` for `{dotted}`: {key.meaning}"
