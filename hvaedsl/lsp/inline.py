"""Inline: a `$name` is replaced by the value of the number, or by the entries of the list."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from lsprotocol.types import CodeActionKind

from hvaedsl.diagnostics.diagnostic import Edit, edited
from hvaedsl.diagnostics.span import Source
from hvaedsl.elaborate.constants import BASE
from hvaedsl.elaborate.equal_runs import between, contents
from hvaedsl.ir.kinds import BlockStack
from hvaedsl.lsp.constant_text import Constant, constant, without_comments
from hvaedsl.lsp.key_text import schema_key
from hvaedsl.lsp.occurrences import Occurrence, occurrence_at, occurrences
from hvaedsl.lsp.paths import path_to
from hvaedsl.lsp.placed_tokens import OPERATORS, PlacedToken
from hvaedsl.lsp.refactoring import Refactoring, Rewrite
from hvaedsl.syntax import ast
from hvaedsl.syntax.references import references

_KIND = CodeActionKind.RefactorInline
_MOST_USES = 500  # that are replaced at once


def inlinings(refactoring: Refactoring, offset: int) -> Iterator[Rewrite]:
    """The replacements of the name at an offset: of this use, and of all uses in this text."""
    analyzed = refactoring.analyzed
    here = occurrence_at(analyzed.tokens, offset)
    if here is None or here.name.kind != "constant":
        return
    if here.name.text == BASE:
        yield from _base(refactoring, here)
        return
    found = constant(analyzed, here.name.text)
    if found is None or (found.number is None and found.entries is None) or refactoring.is_overridden(found.name):
        return

    uses = [item for item in occurrences(analyzed.tokens) if item.name == here.name and not item.defines]
    value = f"its value `{found.number}`" if found.number is not None else "its entries"
    if not here.defines and (edit := _edit(refactoring, here, found)) is not None:
        yield Rewrite(f"replace `${found.name}` by {value}", _KIND, (edit,))
    if len(uses) > _MOST_USES:
        return
    edits = [_edit(refactoring, item, found) for item in uses]
    known = tuple(edit for edit in edits if edit is not None)
    if len(known) == len(edits) and len(known) > (0 if here.defines else 1):
        title = f"replace every `${found.name}` in this file by {value}"
        yield Rewrite(title, _KIND, known)


def _edit(refactoring: Refactoring, item: Occurrence, found: Constant) -> Edit | None:
    """The edit of one use; None if the value cannot be written there."""
    source = refactoring.analyzed.source
    place = source.span(item.start - 1, item.end)
    before = _token_before(refactoring.analyzed.tokens, place.start)
    if found.number is not None:
        is_argument = before is None or before.end > place.start or before.kind == "OPERATOR"
        if found.number >= 0:
            return Edit(place, str(found.number))
        if is_argument:
            return None
        assert before is not None
        return Edit(place, f"({found.number})" if before.kind in OPERATORS else str(found.number))
    definition = refactoring.analyzed.definition(found.name)
    assert definition is not None
    return Edit(place, _entries(refactoring, definition.value, place.start, place.end))


def _entries(refactoring: Refactoring, value: ast.Value, start: int, end: int, text: str | None = None) -> str:
    """The entries of a list in the place of its name; in parentheses behind `k*`, and where they are a whole `let`."""
    inner = without_comments(between(contents(value)).text) if text is None else text
    path = path_to(refactoring.analyzed.statements, start, end)
    around = path[-2] if len(path) > 1 else None
    return f"({inner})" if isinstance(around, ast.Repeated | ast.Let) else inner


def _base(refactoring: Refactoring, here: Occurrence) -> Iterator[Rewrite]:
    """The replacement of `$base` by the entries of the base's list."""
    analyzed = refactoring.analyzed
    token = next((item for item in analyzed.tokens if item.start == here.start - 1), None)
    key = schema_key(token.dotted) if token is not None else None
    if token is None or key is None or not isinstance(key.kind, BlockStack):
        return
    below = analyzed.values_below(token.dotted)
    if below and (text := _text_of_base(below)) is not None:
        name = below[0].span.source.name
        entries = _entries(refactoring, below[0], token.start, token.end, text)
        edit = Edit(analyzed.source.span(token.start, token.end), entries)
        yield Rewrite(f"replace `$base` by the entries of {name}", _KIND, (edit,))


def _text_of_base(below: Sequence[ast.Value]) -> str | None:
    """The entries of the nearest base, with those of its own base in the place of its `$base`."""
    span = between(contents(below[0]))
    edits = []
    for item in references(below[0]):
        if item.name == BASE:
            inner = _text_of_base(below[1:]) if len(below) > 1 else None
            if inner is None:
                return None
            behind_count = span.source.text[: item.span.start].rstrip().endswith("*")
            start, end = item.span.start - span.start, item.span.end - span.start
            edits.append(Edit(Source("", span.text).span(start, end), f"({inner})" if behind_count else inner))
    return without_comments(edited(span.text, edits))


def _token_before(tokens: Sequence[PlacedToken], start: int) -> PlacedToken | None:
    """The last token that starts before an offset; the block itself for the constant in `32r$n`."""
    at = bisect_left(tokens, start, key=lambda token: token.start)
    return tokens[at - 1] if at else None
