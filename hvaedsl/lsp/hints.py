"""Inlay hints: what a list says only to who computes it.

After a pooling the resolution, where the decoder leaves a resolution the depth reached; the blocks and parameters of
`k*A`, of a named list and of `$base`; the values of constants and expressions. A plain entry has no hint of its own: a
list is one long line, and its count is in its text.
"""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol.types import InlayHint, InlayHintKind

from hvaedsl.elaborate.constants import BASE
from hvaedsl.ir.bridge import Pool, TopDownBlock
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.arithmetic_text import value_of
from hvaedsl.lsp.constant_text import without_comments
from hvaedsl.lsp.entries import STACKS, Compiled, block_lists, compiled, entries, items, named_lists
from hvaedsl.lsp.entry_text import amount, block_count, blocks_of, share, weights_of
from hvaedsl.lsp.paths import children, span_of
from hvaedsl.syntax import ast

_Made = tuple[int, str, str]  # the offset, the text and the tooltip of a hint


def inlay_hints(analyzed: AnalyzedText, start: int, end: int) -> list[InlayHint]:
    """Return the hints between two offsets; those of a block list only if its figures are known."""
    hints: list[_Made] = []
    for key, value in block_lists(analyzed).items():
        found = compiled(analyzed, key)
        if found is not None:
            hints += _counts(analyzed, value, found)
            hints += _poolings(value, found) if key == "model.encoder" else _depths(value, found)
        hints += _arguments(analyzed, value)
    hints += _constants(analyzed)
    hints += _values(analyzed)
    return [_hint(analyzed, *made) for made in sorted(hints, key=_offset) if start <= made[0] <= end]


def _offset(made: _Made) -> int:
    return made[0]


def _hint(analyzed: AnalyzedText, at: int, text: str, tip: str) -> InlayHint:
    return InlayHint(analyzed.lines.position(at), text, kind=InlayHintKind.Parameter, tooltip=tip, padding_left=True)


def _counts(analyzed: AnalyzedText, value: ast.Value, found: Compiled) -> Iterator[_Made]:
    """The blocks and parameters of the items whose text does not count them: repetitions, and uses of lists."""
    for item in items(value):
        is_list = isinstance(item, ast.Reference) and (item.name == BASE or item.name in analyzed.constants.lists)
        blocks = blocks_of(found.operations(item.span)) if is_list or isinstance(item, ast.Repeated) else []
        if blocks:
            weights, count = weights_of(blocks), block_count(blocks)
            part = share(weights, found.cost.parameters)
            tip = f"{count} with {weights:,} parameters ({part} of the model)"
            yield item.span.end, f"{count}, {amount(weights).rstrip()} parameters", tip


def _poolings(value: ast.Value, found: Compiled) -> Iterator[_Made]:
    for entry, label in entries(value):
        pool = next(reversed(found.operations(entry.span)), None)  # a list may end with one
        if isinstance(pool, Pool) and pool.is_sound:
            end = label.span.end if label is not None else entry.span.end
            yield end, f"→ {pool.to}x{pool.to}", f"{pool.method} pooling by {pool.factor}"


def _depths(value: ast.Value, found: Compiled) -> Iterator[_Made]:
    """The number of latents drawn so far, wherever the decoder leaves a resolution and at its end.

    Not after every item: a list is one long line, and editors truncate the hints of a line.
    """
    whole = found.cost.stochastic_depth
    layers = [[op for op in found.operations(item.span) if isinstance(op, TopDownBlock)] for item in items(value)]
    parts = [(item.span.end, drawn) for item, drawn in zip(items(value), layers, strict=True) if drawn]
    depth = 0
    for (end, drawn), following in zip(parts, [*(drawn for _, drawn in parts[1:]), None], strict=True):
        depth = max([depth, *(op.layer + 1 for op in drawn if op.layer is not None)])
        if following is None or following[0].resolution != drawn[-1].resolution:
            yield end, f"depth {depth:,}", f"{depth:,} of {whole:,} latents have been drawn"


def _arguments(analyzed: AnalyzedText, value: ast.Value) -> Iterator[_Made]:
    """The values of the expressions behind operator letters."""
    for entry, _ in entries(value):
        if isinstance(entry, ast.BlockOf):
            yield from _value(analyzed, entry.argument)


def _constants(analyzed: AnalyzedText) -> Iterator[_Made]:
    """The values of computed numbers, and the blocks of named lists, at their definitions."""
    lists = named_lists(analyzed)
    known = analyzed.constants.lists
    for item in analyzed.statements:
        if not isinstance(item, ast.Let):
            continue
        name = item.name.text
        if name not in lists:
            yield from _value(analyzed, item.value)
            continue
        yield from _arguments(analyzed, item.value)
        if name in known and name not in analyzed.constants.unreadable:
            count = known[name].applications
            yield item.value.span.end, f"{count:,} block{'s' * (count != 1)}", f"in each stack that uses ${name}"


def _values(analyzed: AnalyzedText) -> Iterator[_Made]:
    """The values of expressions in keys, also in maps and calls."""
    for key, item in analyzed.assignments():
        if key not in STACKS:
            yield from _value(analyzed, item.value)


def _value(analyzed: AnalyzedText, node: ast.Node) -> Iterator[_Made]:
    """The value of an expression, or of those inside a value that is none."""
    if isinstance(node, ast.Negative) and isinstance(node.value, ast.Integer):
        return
    number = value_of(analyzed, node)
    if number is not None:
        span = span_of(node)
        yield span.end, f"= {number}", f"the value of {without_comments(span.text)}"
    elif isinstance(node, ast.Map | ast.Call | ast.List | ast.Entry | ast.NamedArgument):
        for inner in children(node):
            yield from _value(analyzed, inner)
