"""The entries of a block list in the text, and the operations of the bridge that each entry becomes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.elaborate.resolve import Resolved
from hvaedsl.elaborate.schema import SCHEMA
from hvaedsl.ir.bridge import Bridge, Operation
from hvaedsl.ir.spec import Spec, section_of
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.passes.cost import Cost, cost
from hvaedsl.syntax import ast

STACKS = ("model.encoder", "model.decoder")
Written = ast.Block | ast.Integer | ast.Reference


@dataclass(frozen=True)
class Compiled:
    """A bridge that is valid for a value of the present text, which has moved by `shift` since it was compiled."""

    spec: Spec
    bridge: Bridge
    cost: Cost
    source: Source
    shift: int = 0

    @cached_property
    def _placed(self) -> list[tuple[int, Operation]]:
        """The operations that the source contains, with their offsets, in the order of the text."""
        written = ((op.span, op) for op in self.bridge.operations)
        placed = [(span.start, op) for span, op in written if span is not None and span.source is self.source]
        return sorted(placed, key=_place)

    def operations(self, span: Span) -> tuple[Operation, ...]:
        """The operations of the entries in a span of the present text, in their order."""
        first = bisect_left(self._placed, span.start - self.shift, key=_place)
        behind = bisect_left(self._placed, span.end - self.shift, key=_place)
        return tuple(op for _, op in self._placed[first:behind])


def _place(item: tuple[int, Operation]) -> int:
    return item[0]


def compiled(analyzed: AnalyzedText, key: str) -> Compiled | None:
    """The compilation that is valid for the block list `key` of the present text.

    This is the present one if all of `data` and `model` could be read. Otherwise it is the last good one, if this value
    and every readable key of `data` and `model`, except the other stack, are unchanged.
    """
    unit, values = analyzed.unit, analyzed.values
    if unit is not None and values is not None and not any(map(_shapes_the_model, values.poisoned)):
        return Compiled(unit.spec, unit.bridge, unit.analysis(cost), analyzed.source)

    value = block_lists(analyzed).get(key)
    good = analyzed.last_good
    origin = good.origins.get(key) if good is not None else None
    if good is None or value is None or origin is None or origin.source is not good.document.source:
        return None
    if values is None or origin.text != value.span.text or not _agree(values, good.spec, key):
        return None
    return Compiled(good.spec, good.bridge, good.cost, origin.source, value.span.start - origin.start)


def _agree(values: Resolved, good: Spec, stack: str) -> bool:
    """Whether every readable key that shapes the model, except the other stack, is unchanged."""
    keys = [f"{section}.{name}" for section, names in SCHEMA.items() for name in names]
    shaping = [key for key in keys if _shapes_the_model(key) and (key == stack or key not in STACKS)]
    return all(key in values.poisoned or _value(values.spec, key) == _value(good, key) for key in shaping)


def _value(spec: Spec, key: str) -> object:
    section, _, name = key.rpartition(".")
    return getattr(section_of(spec, section), name)


def _shapes_the_model(key: str) -> bool:
    return key.startswith(("data.", "model."))


def block_lists(analyzed: AnalyzedText) -> dict[str, ast.Value]:
    """Block lists of this text that could be read, by dotted key."""
    return {key: item.value for key, item in analyzed.assignments() if key in STACKS}


def items(value: ast.Value) -> tuple[ast.Value, ...]:
    """The items of a block list at its top level."""
    return value.items if isinstance(value, ast.List) else (value,)


def entries(value: ast.Value) -> Iterator[tuple[Written, ast.Name | None]]:
    """Every entry of a block list, once each, with its label."""
    match value:
        case ast.List() | ast.Group():
            for item in value.items:
                yield from entries(item)
        case ast.Repeated():
            yield from entries(value.body)
        case ast.Labeled(entry=ast.Block() | ast.Integer() | ast.Reference() as entry):
            yield entry, value.label
        case ast.Labeled():
            yield from entries(value.entry)
        case ast.Block() | ast.Integer() | ast.Reference():
            yield value, None
