"""Completion at the cursor, from the schema, the shipped specs and the current resolution."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lsprotocol.types import (
    CompletionItem,
    CompletionItemKind,
    CompletionItemLabelDetails,
    InsertTextFormat,
    TextEdit,
)

from hvaedsl.diagnostics.diagnostic import Severity
from hvaedsl.elaborate.schema import SCHEMA, TOP_LEVEL
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.datasets import USER_IMAGES
from hvaedsl.ir.hub import is_hub
from hvaedsl.ir.spec import SECTIONS
from hvaedsl.ir.spec_text import default_text
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.bases import bases_for
from hvaedsl.lsp.block_completion import block_entries, labels, list_entries
from hvaedsl.lsp.constant_completion import names
from hvaedsl.lsp.key_text import inherited, schema_key
from hvaedsl.lsp.placed_tokens import LET, Cursor, comment_at, cursor_at
from hvaedsl.lsp.suggestion import Suggestion
from hvaedsl.lsp.value_completion import values
from hvaedsl.lsp.weight_completion import takes_weight_names
from hvaedsl.report.explain import template_title
from hvaedsl.rules import KINDS

_NAME_AT_END = re.compile(r"(?<![\w.$])[A-Za-z_][\w.]*\Z")
_REFERENCE_AT_END = re.compile(r"\$\w*\Z")
_IGNORE_AT_END = re.compile(r"#\s*hvae:\s*ignore\[(?:[^\]]*,)?\s*(\w*)\Z")


@dataclass(frozen=True)
class CompletionClient:
    """What the client supports in a completion."""

    snippets: bool = False  # text with places for the cursor
    label_details: bool = False  # a detail on every row, not only on the selected one


_PLAIN = CompletionClient()


def complete(analyzed: AnalyzedText, offset: int, client: CompletionClient = _PLAIN) -> list[CompletionItem]:
    """Return the completions at an offset, best first."""
    text = analyzed.text
    comment = comment_at(text, offset)
    if comment is not None:
        return _ignored_codes(analyzed, comment, offset, client)

    cursor = cursor_at(text, offset)
    if cursor is None or (cursor.written.startswith('"') and cursor.awaits != "base"):
        return []

    reference = _REFERENCE_AT_END.search(text, 0, offset)
    if reference is not None and cursor.key:
        suggestions = names(analyzed, cursor, reference.start())
        return _items(analyzed, suggestions, reference.start(), cursor.end, client)
    if cursor.awaits == "base":
        return _bases(analyzed, cursor, offset, client)

    # A name with dots is replaced as a whole, also behind a dot without a segment.
    name = _NAME_AT_END.search(text, 0, offset) if takes_weight_names(cursor.key) else None
    if name is not None and "." in name[0] and (before := cursor_at(text, name.start())) is not None:
        suggestions = _suggestions(analyzed, replace(before, written=name[0]))
        return _items(analyzed, suggestions, name.start(), cursor.end, client)
    return _items(analyzed, _suggestions(analyzed, cursor), cursor.start, cursor.end, client)


def _items(
    analyzed: AnalyzedText, suggestions: Iterator[Suggestion], start: int, end: int, client: CompletionClient
) -> list[CompletionItem]:
    where = analyzed.lines.range(start, end)
    return [
        _item(suggestion, TextEdit(where, suggestion.snippet if client.snippets else suggestion.plain), at, client)
        for at, suggestion in enumerate(suggestions)
    ]


def _item(suggestion: Suggestion, edit: TextEdit, rank: int, client: CompletionClient) -> CompletionItem:
    is_snippet = client.snippets and suggestion.snippet != suggestion.plain
    on_its_row = client.label_details and suggestion.detail
    return CompletionItem(
        label=suggestion.label,
        label_details=CompletionItemLabelDetails(description=suggestion.detail) if on_its_row else None,
        kind=suggestion.kind,
        detail=suggestion.detail or None,
        documentation=suggestion.about or None,
        sort_text=f"{rank:04}",
        filter_text=suggestion.label,
        text_edit=edit,
        insert_text_format=InsertTextFormat.Snippet if is_snippet else InsertTextFormat.PlainText,
    )


def _suggestions(analyzed: AnalyzedText, cursor: Cursor) -> Iterator[Suggestion]:
    match cursor.awaits:
        case "statement":
            yield from _statements(analyzed, cursor)
        case "label":
            yield from labels(analyzed, cursor)
        case "version":
            yield Suggestion("1", "the version of the language", CompletionItemKind.Value)
        case "value":
            key = schema_key(cursor.key)
            if cursor.key in ("model.encoder", "model.decoder"):
                yield from block_entries(analyzed, cursor)
            elif cursor.key.startswith(LET):
                yield from list_entries(analyzed, cursor)
                yield from names(analyzed, cursor, cursor.start)
            elif key is not None:
                yield from values(analyzed, cursor, key.kind)
            if _begins_line_behind_comma(analyzed, cursor):
                yield from _statements(analyzed, cursor)


def _begins_line_behind_comma(analyzed: AnalyzedText, cursor: Cursor) -> bool:
    """Whether the cursor is on a new line after a trailing comma, where the next key may be intended."""
    last = cursor.before[-1] if cursor.before else None
    if last is None or last.text != "," or cursor.brackets:
        return False
    between = analyzed.text[last.end : cursor.start]
    return "\n" in between or "\r" in between


def _statements(analyzed: AnalyzedText, cursor: Cursor) -> Iterator[Suggestion]:
    """Suggest the missing keys, required ones first, then sections and, at the top level, keywords."""
    written = {
        token.dotted for token in analyzed.tokens if token.role in ("key", "section") and token.start != cursor.start
    }
    path = cursor.section
    names = [name for name in SCHEMA.get(path, {}) if f"{path}.{name}" not in written]
    needed = [name for name in names if _needed(analyzed, f"{path}.{name}")]
    for name in sorted(names, key=lambda name: name not in needed):
        key = SCHEMA[path][name]
        about = f"{key.meaning} ({key.kind})"
        yield Suggestion(
            name, _detail(analyzed, f"{path}.{name}"), CompletionItemKind.Property, about, plain=f"{name} = "
        )

    keywords = list(_keywords(analyzed)) if not path else []
    yield from (suggestion for suggestion in keywords if suggestion.label == "hvae")  # the first statement of a spec
    inner = TOP_LEVEL if not path else tuple(item for item in SECTIONS if item.rpartition(".")[0] == path)
    for dotted in inner:
        if dotted not in written:
            name = dotted.rpartition(".")[2]
            about = (SECTIONS[dotted].__doc__ or "").partition(": ")[2].removesuffix(".")
            yield Suggestion(name, about, CompletionItemKind.Module, plain=f"{name} {{", snippet=f"{name} {{\n  $0\n}}")
    yield from (suggestion for suggestion in keywords if suggestion.label != "hvae")


def _keywords(analyzed: AnalyzedText) -> Iterator[Suggestion]:
    """Suggest the keywords that the text may still have."""
    present = {token.text for token in analyzed.tokens if token.role == "keyword"}
    keyword = CompletionItemKind.Keyword
    if "hvae" not in present:
        yield Suggestion("hvae", "the version: `hvae 1`", keyword, plain="hvae 1")
    if "extends" not in present:
        yield Suggestion("extends", "a base", keyword, plain='extends "', snippet='extends "$1"')
    yield Suggestion("let", "a constant", keyword, plain="let ", snippet="let ${1:n} = ${2:1}")


def _detail(analyzed: AnalyzedText, dotted: str) -> str:
    """The inherited value of a key, why it is needed, or its default."""
    default = default_text(dotted)
    otherwise = f"default {default}" if default else "default of the dataset"
    return inherited(analyzed, dotted) or _needed(analyzed, dotted) or otherwise


def _needed(analyzed: AnalyzedText, dotted: str) -> str:
    """What a key is needed for; empty if it is optional or a base has it."""
    key = schema_key(dotted)
    if key is None or inherited(analyzed, dotted):
        return ""
    roles = ("symbol", "string")
    dataset = next(
        (token.text for token in analyzed.tokens if token.dotted == "data.dataset" and token.role in roles), ""
    ).strip('"')
    if (dataset in USER_IMAGES or is_custom(dataset) or is_hub(dataset)) and dotted in (
        "data.channels",
        "data.resolution",
    ):
        return f"needed for {dataset}"
    return {"always": "needed to compile", "to train": "needed to train"}.get(key.required, "")


def _bases(analyzed: AnalyzedText, cursor: Cursor, offset: int, client: CompletionClient) -> list[CompletionItem]:
    """Files that `extends` may name; the text between the quotes is replaced."""
    text = analyzed.text
    quoted = cursor.written.startswith('"')
    end = analyzed.lines.line_end(offset)
    closing = text.find('"', offset, end) if quoted else -1
    stop = closing if closing >= 0 else cursor.end
    start = cursor.start + 1 if quoted else cursor.start
    tail = "" if closing >= 0 else '"'
    suggestions = (
        Suggestion(name, about, CompletionItemKind.File, plain=f"{'' if quoted else chr(34)}{name}{tail}")
        for name, about in bases_for(analyzed.source)
    )
    return _items(analyzed, suggestions, start, stop, client)


def _ignored_codes(analyzed: AnalyzedText, comment: str, offset: int, client: CompletionClient) -> list[CompletionItem]:
    """Codes of advice for `# hvae: ignore[`, those that were found on this line first."""
    found = _IGNORE_AT_END.search(comment)
    if found is None:
        return []
    line = analyzed.lines.position(offset).line
    here = {item.code for item in analyzed.diagnostics if analyzed.lines.position(item.span.start).line == line}
    advice = [kind for kind in KINDS.values() if kind.severity is Severity.ADVICE]
    suggestions = (
        Suggestion(kind.code, template_title(kind), CompletionItemKind.Value)
        for kind in sorted(advice, key=lambda kind: (kind.code not in here, kind.code))
    )
    return _items(analyzed, suggestions, offset - len(found[1]), offset, client)
