"""Completion: what may stand at the cursor, from the schema, the shipped specs and the resolutions reached."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lsprotocol.types import (
    CompletionItem,
    CompletionItemKind,
    CompletionItemLabelDetails,
    InsertTextFormat,
    TextEdit,
)

from hvaedsl.diagnostics.diagnostic import Severity
from hvaedsl.elaborate.collect import SCHEMA, TOP_LEVEL
from hvaedsl.ir.datasets import USER_IMAGES
from hvaedsl.ir.spec import SECTIONS
from hvaedsl.ir.spec_text import default_text
from hvaedsl.lsp.analysed import Analysed
from hvaedsl.lsp.bases import bases_for
from hvaedsl.lsp.block_completion import block_entries, labels
from hvaedsl.lsp.key_text import inherited, schema_key
from hvaedsl.lsp.offer import Offer
from hvaedsl.lsp.value_completion import values
from hvaedsl.lsp.words import Cursor, comment_at, cursor_at
from hvaedsl.report.explain import template_title
from hvaedsl.rules import KINDS

_REFERENCE_AT_END = re.compile(r"\$\w*\Z")
_IGNORE_AT_END = re.compile(r"#\s*hvae:\s*ignore\[(?:[^\]]*,)?\s*(\w*)\Z")


@dataclass(frozen=True)
class CompletionClient:
    """What the client can do with a completion."""

    snippets: bool = False  # it understands where the cursor goes
    label_details: bool = False  # it shows a word on every row, not on the chosen one alone


_PLAIN = CompletionClient()


def complete(analysed: Analysed, offset: int, client: CompletionClient = _PLAIN) -> list[CompletionItem]:
    """The completions at an offset, best first."""
    text = analysed.text
    comment = comment_at(text, offset)
    if comment is not None:
        return _ignored_codes(analysed, comment, offset, client)
    cursor = cursor_at(text, offset)
    if cursor is None or (cursor.written.startswith('"') and cursor.awaits != "base"):
        return []
    reference = _REFERENCE_AT_END.search(text, 0, offset)
    if reference is not None and cursor.key:
        return _items(analysed, _constants(analysed), reference.start(), cursor.end, client)
    if cursor.awaits == "base":
        return _bases(analysed, cursor, offset, client)
    return _items(analysed, _offers(analysed, cursor), cursor.start, cursor.end, client)


def _items(
    analysed: Analysed, offers: Iterator[Offer], start: int, end: int, client: CompletionClient
) -> list[CompletionItem]:
    where = analysed.lines.range(start, end)
    return [
        _item(offer, TextEdit(where, offer.snippet if client.snippets else offer.plain), at, client)
        for at, offer in enumerate(offers)
    ]


def _item(offer: Offer, edit: TextEdit, rank: int, client: CompletionClient) -> CompletionItem:
    is_snippet = client.snippets and offer.snippet != offer.plain
    on_its_row = client.label_details and offer.detail
    return CompletionItem(
        label=offer.label,
        label_details=CompletionItemLabelDetails(description=offer.detail) if on_its_row else None,
        kind=offer.kind,
        detail=offer.detail or None,
        documentation=offer.about or None,
        sort_text=f"{rank:04}",
        filter_text=offer.label,
        text_edit=edit,
        insert_text_format=InsertTextFormat.Snippet if is_snippet else InsertTextFormat.PlainText,
    )


def _offers(analysed: Analysed, cursor: Cursor) -> Iterator[Offer]:
    match cursor.awaits:
        case "statement":
            yield from _statements(analysed, cursor)
        case "label":
            yield from labels(analysed, cursor)
        case "version":
            yield Offer("1", "the version of the language", CompletionItemKind.Value)
        case "value":
            key = schema_key(cursor.key)
            if cursor.key in ("model.encoder", "model.decoder"):
                yield from block_entries(analysed, cursor)
            elif key is not None:
                yield from values(analysed, cursor, key.kind)
            if _begins_line_behind_comma(analysed, cursor):
                yield from _statements(analysed, cursor)


def _begins_line_behind_comma(analysed: Analysed, cursor: Cursor) -> bool:
    """Whether a new line may have been meant for the next key: the comma before it is then one too many."""
    last = cursor.before[-1] if cursor.before else None
    if last is None or last.text != "," or cursor.brackets:
        return False
    return "\n" in analysed.text[last.end : cursor.start]


def _statements(analysed: Analysed, cursor: Cursor) -> Iterator[Offer]:
    """Keys that the section does not have yet, what is required first; sections; at the top also the keywords."""
    written = {word.dotted for word in analysed.words if word.role in ("key", "section") and word.start != cursor.start}
    path = cursor.section
    names = [name for name in SCHEMA.get(path, {}) if f"{path}.{name}" not in written]
    needed = [name for name in names if _needed(analysed, f"{path}.{name}")]
    for name in sorted(names, key=lambda name: name not in needed):
        key = SCHEMA[path][name]
        about = f"{key.meaning} ({key.kind})"
        yield Offer(name, _detail(analysed, f"{path}.{name}"), CompletionItemKind.Property, about, plain=f"{name} = ")
    keywords = list(_keywords(analysed)) if not path else []
    yield from (offer for offer in keywords if offer.label == "hvae")  # it is the first statement
    inner = TOP_LEVEL if not path else tuple(item for item in SECTIONS if item.rpartition(".")[0] == path)
    for dotted in inner:
        if dotted not in written:
            name = dotted.rpartition(".")[2]
            about = (SECTIONS[dotted].__doc__ or "").partition(": ")[2].removesuffix(".")
            yield Offer(name, about, CompletionItemKind.Module, plain=f"{name} {{", snippet=f"{name} {{\n  $0\n}}")
    yield from (offer for offer in keywords if offer.label != "hvae")


def _keywords(analysed: Analysed) -> Iterator[Offer]:
    """The keywords that the text may still have."""
    present = {word.text for word in analysed.words if word.role == "keyword"}
    keyword = CompletionItemKind.Keyword
    if "hvae" not in present:
        yield Offer("hvae", "the version: `hvae 1`", keyword, plain="hvae 1")
    if "extends" not in present:
        yield Offer("extends", "a base", keyword, plain='extends "', snippet='extends "$1"')
    yield Offer("let", "a constant", keyword, plain="let ", snippet="let ${1:n} = ${2:1}")


def _detail(analysed: Analysed, dotted: str) -> str:
    """What a key that is not written would need to be, or is."""
    default = default_text(dotted)
    otherwise = f"default {default}" if default else "default of the data set"
    return inherited(analysed, dotted) or _needed(analysed, dotted) or otherwise


def _needed(analysed: Analysed, dotted: str) -> str:
    """What a key must be written for; empty where nothing needs it, or a base has it."""
    key = schema_key(dotted)
    if key is None or inherited(analysed, dotted):
        return ""
    dataset = next((word.text for word in analysed.words if (word.dotted, word.role) == ("data.dataset", "symbol")), "")
    if dataset in USER_IMAGES and dotted in ("data.channels", "data.resolution"):
        return f"needed for {dataset}"
    return {"always": "needed to compile", "to train": "needed to train"}.get(key.required, "")


def _constants(analysed: Analysed) -> Iterator[Offer]:
    for name, (let, value) in analysed.lets().items():
        where = "" if let.span.source is analysed.source else f", from {let.span.source.name}"
        yield Offer(
            f"${name}",
            f"{value if value is not None else '?'}{where}",
            CompletionItemKind.Constant,
            snippet=f"\\${name}",
        )


def _bases(analysed: Analysed, cursor: Cursor, offset: int, client: CompletionClient) -> list[CompletionItem]:
    """The files that `extends` may name; what stands between the quotes is replaced."""
    text = analysed.text
    quoted = cursor.written.startswith('"')
    end = analysed.lines.line_end(offset)
    closing = text.find('"', offset, end) if quoted else -1
    stop = closing if closing >= 0 else cursor.end
    start = cursor.start + 1 if quoted else cursor.start
    tail = "" if closing >= 0 else '"'
    offers = (
        Offer(name, about, CompletionItemKind.File, plain=f"{'' if quoted else chr(34)}{name}{tail}")
        for name, about in bases_for(analysed.source)
    )
    return _items(analysed, offers, start, stop, client)


def _ignored_codes(analysed: Analysed, comment: str, offset: int, client: CompletionClient) -> list[CompletionItem]:
    """The codes that `# hvae: ignore[` may name: those of advice; the ones found on this line first."""
    found = _IGNORE_AT_END.search(comment)
    if found is None:
        return []
    line = analysed.lines.position(offset).line
    here = {item.code for item in analysed.diagnostics if analysed.lines.position(item.span.start).line == line}
    advice = [kind for kind in KINDS.values() if kind.severity is Severity.ADVICE]
    offers = (
        Offer(kind.code, template_title(kind), CompletionItemKind.Value)
        for kind in sorted(advice, key=lambda kind: (kind.code not in here, kind.code))
    )
    return _items(analysed, offers, offset - len(found[1]), offset, client)
