"""Extract: selected entries become a named list, a selected number or expression becomes a constant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lsprotocol.types import CodeActionKind

from hvaedsl.diagnostics.diagnostic import Edit
from hvaedsl.diagnostics.span import Span
from hvaedsl.elaborate.block_shapes import is_list
from hvaedsl.elaborate.constants import BASE
from hvaedsl.elaborate.equal_runs import between, contents
from hvaedsl.lsp.arithmetic_text import in_block_list, number_path, value_of
from hvaedsl.lsp.constant_text import cut, without_comments
from hvaedsl.lsp.paths import path_to, span_of
from hvaedsl.lsp.refactoring import Refactoring, Rewrite
from hvaedsl.syntax import ast
from hvaedsl.syntax.references import references

_LONGEST = 40
_SPACE = " \t\r\n\f,"
_KIND = CodeActionKind.RefactorExtract


def extractions(refactoring: Refactoring, start: int, end: int) -> Iterator[Rewrite]:
    """The extractions that a selection allows; none for an empty one."""
    text = refactoring.analyzed.text
    while start < end and text[start] in _SPACE:
        start += 1
    while end > start and text[end - 1] in _SPACE:
        end -= 1
    if start == end:
        return
    path = path_to(refactoring.analyzed.statements, start, end)
    if path and (selected := selected_items(path, start, end)):
        yield from _list(refactoring, path, selected)
    if path and (span_of(path[-1]).start, span_of(path[-1]).end) == (start, end):
        yield from _number(refactoring, path)


def selected_items(path: Sequence[ast.Node], start: int, end: int) -> tuple[ast.Value, ...]:
    """The adjacent items of one list that a selection contains exactly; empty if it is none."""
    for at, node in enumerate(path):
        span = span_of(node)
        around = path[at - 1] if at else None
        is_count = isinstance(around, ast.Repeated) and node is around.count
        is_item = isinstance(around, ast.List | ast.Group | ast.Repeated | ast.Assignment | ast.Let) and not is_count
        if is_item and (span.start, span.end) == (start, end) and not isinstance(node, ast.Name):
            return (node,)  # type: ignore[return-value]  # values alone are inside these nodes, besides names
    node = path[-1]
    if not isinstance(node, ast.List | ast.Group):
        return ()
    first = next((at for at, item in enumerate(node.items) if item.span.start == start), None)
    last = next((at for at, item in enumerate(node.items) if item.span.end == end), None)
    return node.items[first : last + 1] if first is not None and last is not None else ()


def _list(refactoring: Refactoring, path: Sequence[ast.Node], items: tuple[ast.Value, ...]) -> Iterator[Rewrite]:
    """The extraction of items of a block list."""
    span = between(items)
    if number_path(refactoring.analyzed, path) is not None or not in_block_list(refactoring.analyzed, path):
        return
    inner = contents(items[0]) if len(items) == 1 else items
    value = _as_list(refactoring, inner)
    is_whole_let = any(isinstance(node, ast.Let) and node.value.span == span for node in path)
    if value is None or is_whole_let or any(item.name == BASE for entry in inner for item in references(entry)):
        return
    if "hvae:" in span.text:  # a comment that suppresses advice stays where the advice is
        return
    name = refactoring.free_name("stage")
    definition = refactoring.definition(name, f"({value})")
    if definition is not None:
        title = f"extract `{cut(without_comments(span.text), _LONGEST)}` into the list `${name}`"
        yield Rewrite(title, _KIND, (definition, Edit(span, f"${name}")))


def _as_list(refactoring: Refactoring, items: Sequence[ast.Value]) -> str | None:
    """The text of items as that of a list; None if it would be a number, as `2*$n` is in a `let`."""
    text = between(items).text
    names = refactoring.analyzed.constants.lists
    if len(items) > 1 or is_list(items[0]) or any(item.name in names for item in references(items[0])):
        return text
    entry = items[0]
    while isinstance(entry, ast.Repeated | ast.Group):
        entry = entry.body if isinstance(entry, ast.Repeated) else entry.items[0]
    if not isinstance(entry, ast.Integer) or entry.suffixed:
        return None
    at = entry.span.end - items[0].span.start
    return f"{text[: at - len(entry.span.text)]}{entry.value}x1{text[at:]}"


def _number(refactoring: Refactoring, path: Sequence[ast.Node]) -> Iterator[Rewrite]:
    """The extraction of a number or an expression."""
    node, around = path[-1], path[-2] if len(path) > 1 else None
    numeric = number_path(refactoring.analyzed, path)
    if isinstance(around, ast.Let) or isinstance(node, ast.Reference):
        return
    if numeric is None:  # a resolution, a count, or the number behind an operator letter
        is_number = isinstance(node, ast.Integer) and in_block_list(refactoring.analyzed, path)
    else:
        is_number = isinstance(node, ast.Integer) or value_of(refactoring.analyzed, node) is not None
    if not is_number or (isinstance(around, ast.Entry) and node is around.key):
        return

    span, place = span_of(node), span_of(node)
    if isinstance(around, ast.BlockOf) and node is around.argument:  # `32r($n - 1)` becomes `32r$count`
        place = _argument(around)
    inner = contents(node)[0] if isinstance(node, ast.Group) else node
    name = refactoring.free_name(_word(path, numeric is not None))
    definition = refactoring.definition(name, without_comments(span_of(inner).text))
    if definition is not None and "#" not in place.text:
        title = f"extract `{cut(without_comments(span.text), _LONGEST)}` into the constant `${name}`"
        yield Rewrite(title, _KIND, (definition, Edit(place, f"${name}")))


def _argument(block: ast.BlockOf) -> Span:
    """The place of the parentheses behind an operator letter."""
    return block.span.source.span(block.operator_span.end, block.span.end)


def _word(path: Sequence[ast.Node], is_value: bool) -> str:
    """A name for a constant: its key; in a block list `count`, or `resolution` for an entry without a letter."""
    key = next((node.key.text for node in path if isinstance(node, ast.Assignment)), "")
    in_block = any(isinstance(node, ast.BlockOf) for node in path)
    if key and is_value and not in_block:
        return key
    is_entry = isinstance(path[-2], ast.List | ast.Group | ast.Assignment | ast.Let | ast.Labeled)
    is_body = isinstance(path[-2], ast.Repeated) and path[-1] is path[-2].body
    return "resolution" if is_entry or is_body else "count"
