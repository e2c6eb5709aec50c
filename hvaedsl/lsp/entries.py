"""The entries of a block list in the text, and the operations of the bridge that each of them stands for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.elaborate.collect import SCHEMA
from hvaedsl.elaborate.resolve import Resolved
from hvaedsl.ir.bridge import Bridge, Operation
from hvaedsl.ir.spec import Spec, section_of
from hvaedsl.lsp.analysed import Analysed
from hvaedsl.passes.cost import Cost, cost
from hvaedsl.syntax import ast

STACKS = ("model.encoder", "model.decoder")
Written = ast.Block | ast.Integer | ast.Reference


@dataclass(frozen=True)
class Compiled:
    """A bridge that holds for a value of the present text; `shift` is how far that has moved since it was compiled."""

    spec: Spec
    bridge: Bridge
    cost: Cost
    source: Source
    shift: int = 0

    @cached_property
    def _placed(self) -> list[tuple[int, Operation]]:
        """The operations that the source writes, by where; those of one place in their order."""
        written = ((op.span, op) for op in self.bridge.operations)
        placed = [(span.start, op) for span, op in written if span is not None and span.source is self.source]
        return sorted(placed, key=_place)

    def operations(self, span: Span) -> tuple[Operation, ...]:
        """The operations that what stands at a span of the present text stands for, entry by entry."""
        first = bisect_left(self._placed, span.start - self.shift, key=_place)
        behind = bisect_left(self._placed, span.end - self.shift, key=_place)
        return tuple(op for _, op in self._placed[first:behind])


def _place(item: tuple[int, Operation]) -> int:
    return item[0]


def compiled(analysed: Analysed, key: str) -> Compiled | None:
    """The compilation that holds for the block list `key`, as the present text writes it.

    The present one, where all of data and model could be read; else the last good one, if this value was the same, and
    all that could be read of data and model beside the other stack.
    """
    unit, values = analysed.unit, analysed.values
    if unit is not None and values is not None and not any(map(_shapes_the_model, values.poisoned)):
        return Compiled(unit.spec, unit.bridge, unit.analysis(cost), analysed.source)
    value = block_lists(analysed).get(key)
    good = analysed.last_good
    origin = good.origins.get(key) if good is not None else None
    if good is None or value is None or origin is None or origin.source is not good.document.source:
        return None
    if values is None or origin.text != value.span.text or not _agree(values, good.spec, key):
        return None
    return Compiled(good.spec, good.bridge, good.cost, origin.source, value.span.start - origin.start)


def _agree(values: Resolved, good: Spec, stack: str) -> bool:
    """Whether all that could be read is as it was, a constant in the block list too; the other stack aside."""
    keys = [f"{section}.{name}" for section, names in SCHEMA.items() for name in names]
    shaping = [key for key in keys if _shapes_the_model(key) and (key == stack or key not in STACKS)]
    return all(key in values.poisoned or _value(values.spec, key) == _value(good, key) for key in shaping)


def _value(spec: Spec, key: str) -> object:
    section, _, name = key.rpartition(".")
    return getattr(section_of(spec, section), name)


def _shapes_the_model(key: str) -> bool:
    return key.startswith(("data.", "model."))


def block_lists(analysed: Analysed) -> dict[str, ast.Value]:
    """The block lists of this text that could be read, by dotted key."""
    return {key: item.value for key, item in analysed.assignments() if key in STACKS}


def items(value: ast.Value) -> tuple[ast.Value, ...]:
    """What commas part at the top of a block list."""
    return value.items if isinstance(value, ast.List) else (value,)


def entries(value: ast.Value) -> Iterator[tuple[Written, ast.Name | None]]:
    """Every entry that is written in a block list, once each, with its label."""
    match value:
        case ast.List() | ast.Group():
            for item in value.items:
                yield from entries(item)
        case ast.Repeated():
            yield from entries(value.body)
        case ast.Labelled(entry=ast.Block() | ast.Integer() | ast.Reference() as entry):
            yield entry, value.label
        case ast.Labelled():
            yield from entries(value.entry)
        case ast.Block() | ast.Integer() | ast.Reference():
            yield value, None
