"""Inlay hints: the resolution after each pooling, and the stochastic depth reached at each resolution."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol.types import InlayHint, InlayHintKind

from hvaedsl.ir.bridge import Pool, TopDownBlock
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.entries import Compiled, block_lists, compiled, entries, items
from hvaedsl.syntax import ast


def inlay_hints(analyzed: AnalyzedText, start: int, end: int) -> list[InlayHint]:
    """Return the hints between two offsets; none for a block list whose resolutions are unknown."""
    hints: list[InlayHint] = []
    for key, value in block_lists(analyzed).items():
        found = compiled(analyzed, key)
        if found is not None:
            made = _poolings(value, found) if key == "model.encoder" else _depths(value, found)
            hints += [_hint(analyzed, at, text, tip) for at, text, tip in made if start <= at <= end]
    return hints


def _hint(analyzed: AnalyzedText, at: int, text: str, tip: str) -> InlayHint:
    return InlayHint(analyzed.lines.position(at), text, kind=InlayHintKind.Parameter, tooltip=tip, padding_left=True)


def _poolings(value: ast.Value, found: Compiled) -> Iterator[tuple[int, str, str]]:
    for entry, label in entries(value):
        pool = next((op for op in found.operations(entry.span) if isinstance(op, Pool)), None)
        if pool is not None and pool.is_sound:
            end = label.span.end if label is not None else entry.span.end
            yield end, f"→ {pool.to}x{pool.to}", f"{pool.method} pooling by {pool.factor}"


def _depths(value: ast.Value, found: Compiled) -> Iterator[tuple[int, str, str]]:
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
