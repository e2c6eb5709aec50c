"""The entries of a block list in the text, and the operations of the bridge that each entry becomes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.elaborate.block_shapes import is_list
from hvaedsl.elaborate.resolve import Resolved
from hvaedsl.elaborate.schema import SCHEMA
from hvaedsl.ir.bridge import Bridge, Operation, stack_of
from hvaedsl.ir.spec import Spec, section_of
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.passes.cost import Cost, cost
from hvaedsl.syntax import ast

STACKS = ("model.encoder", "model.decoder")
Written = ast.Block | ast.BlockOf | ast.Integer | ast.Reference


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
        """The operations that the source contains, with their offsets, in the order of the text.

        The operations of a named list are at the place where a key uses it.
        """
        return self._at((_use(op), op) for op in self.bridge.operations)

    @cached_property
    def _defined(self) -> list[tuple[int, Operation]]:
        """The operations of the lists that the source defines, with the offsets of their entries there."""
        return self._at((op.span, op) for op in self.bridge.operations if op.span is not None and op.span.use)

    def _at(self, operations: Iterable[tuple[Span | None, Operation]]) -> list[tuple[int, Operation]]:
        placed = [(span.start, op) for span, op in operations if span is not None and span.source is self.source]
        return sorted(placed, key=_place)

    def operations(self, span: Span) -> tuple[Operation, ...]:
        """The operations of the entries in a span of the present text, in their order."""
        return self._within(self._placed, span)

    def operations_of_list(self, span: Span, stack: str) -> tuple[Operation, ...]:
        """The operations of a stack that come from the entries in a span of the definition of a list."""
        if span.source is not self.source:  # of an earlier text, in which the definition may have been elsewhere
            return ()
        return tuple(op for op in self._within(self._defined, span) if stack_of(op) == stack)

    def _within(self, placed: list[tuple[int, Operation]], span: Span) -> tuple[Operation, ...]:
        first = bisect_left(placed, span.start - self.shift, key=_place)
        behind = bisect_left(placed, span.end - self.shift, key=_place)
        return tuple(op for _, op in placed[first:behind])


def _use(op: Operation) -> Span | None:
    """The place of an operation in the block list of its stack."""
    return op.span.use.span if op.span is not None and op.span.use is not None else op.span


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
    """Block lists of this text that could be read, by dotted key; of a duplicate key the first, which counts."""
    found: dict[str, ast.Value] = {}
    for key, item in analyzed.assignments():
        if key in STACKS:
            found.setdefault(key, item.value)
    return found


def named_lists(analyzed: AnalyzedText) -> dict[str, ast.Value]:
    """The definitions of named lists in this text that could be read, by name; the first of duplicates counts."""
    lets = [item for item in reversed(analyzed.statements) if isinstance(item, ast.Let)]
    known = analyzed.constants.lists if lets else ()
    return {item.name.text: item.value for item in lets if item.name.text in known or is_list(item.value)}


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
        case ast.Labeled(entry=ast.Block() | ast.BlockOf() | ast.Integer() | ast.Reference() as entry):
            yield entry, value.label
        case ast.Labeled():
            yield from entries(value.entry)
        case ast.Block() | ast.BlockOf() | ast.Integer() | ast.Reference():
            yield value, None
