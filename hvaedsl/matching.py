"""Match a number of parameters by choosing block counts.

The ablations of the paper compare models of equal size (Table G.7: "trimmed encoder blocks", without saying which).
The procedure here is our own; it is deterministic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.ir.blocks import BlockList, Entry, Repeat
from hvaedsl.program import Program

# A match this close leaves the decoder unchanged, whose blocks are the stochastic depth.
CLOSE_ENOUGH = Fraction(1, 100)
# The largest factor by which the count of an entry grows.
GROWTH = 10
STACKS = ("encoder", "decoder")

Compile = Callable[[Mapping[str, str]], Program]


@dataclass(frozen=True)
class Match:
    """A program whose block counts were chosen for `target` parameters."""

    program: Program
    target: int

    @property
    def difference(self) -> float:
        """The relative difference, (reached - target) / target."""
        return (self.program.cost.parameters - self.target) / self.target


@dataclass(frozen=True)
class Slot:
    """An item of a block list whose count may change: `RxN`, or `k*(...)` of blocks with separate weights."""

    stack: str
    index: int
    base: int
    resolution: int
    parameters_per_count: int = 0


def match_parameters(compile_with: Compile, target: int) -> Match:
    """Choose block counts such that a program has `target` parameters, as closely as possible.

    `compile_with` compiles the spec with further overrides of `model.encoder` and `model.decoder`. Blocks are removed
    or added one at a time, first in the encoder, as long as the distance to the target shrinks. The next entry is the
    one with the largest fraction of its original count left (when growing: the smallest), and among equal ones that of
    the highest resolution. Counts of the decoder are changed only if the encoder cannot get within 1 %, and then the
    encoder's once more. Entries `r`, `d`, `m` and labeled entries are not changed; every entry keeps at least one
    block, and none grows to more than ten times its count.

    Raises `UsageError` for synchronous processing, which ties the counts of the encoder to those of the decoder, and
    `SpecError` as compiling does.
    """
    program = compile_with({})
    if program.spec.model.processing == "synchronous":
        raise UsageError(
            "--match-parameters cannot change the block counts of the encoder: model.processing = synchronous ties "
            "them to those of the decoder"
        )

    # Measure each slot once, then change the counts: encoder, decoder if needed, encoder again.
    slots = [_measured(slot, program, compile_with) for stack in STACKS for slot in _slots(program, stack)]
    counts = [slot.base for slot in slots]
    parameters = program.cost.parameters
    for stack in (*STACKS, STACKS[0]):
        if abs(parameters - target) > CLOSE_ENOUGH * target or stack == STACKS[0]:
            parameters = _approach(slots, counts, stack, parameters, target)

    if counts != [slot.base for slot in slots]:
        program = compile_with(_overrides(program, slots, counts))
    return Match(program, target)


def _approach(slots: Sequence[Slot], counts: list[int], stack: str, parameters: int, target: int) -> int:
    """Change the counts of one stack in place while that reduces the distance to the target; return the parameters."""
    while True:
        change = -1 if parameters > target else 1
        for index in _in_order(slots, counts, stack, change):
            reached = parameters + change * slots[index].parameters_per_count
            if abs(reached - target) < abs(parameters - target):
                counts[index] += change
                parameters = reached
                break
        else:
            return parameters


def _in_order(slots: Sequence[Slot], counts: Sequence[int], stack: str, change: int) -> list[int]:
    """The indices of the slots of a stack that may change, the next one first."""
    able = [
        index
        for index, slot in enumerate(slots)
        if slot.stack == stack and 1 <= counts[index] + change <= GROWTH * slot.base
    ]

    def place(index: int) -> tuple[Fraction, int, int]:
        slot = slots[index]
        share = Fraction(counts[index] + max(change, 0), slot.base)
        return share * change, -slot.resolution, index

    return sorted(able, key=place)


def _slots(program: Program, stack: str) -> list[Slot]:
    """The items of a stack whose counts may change."""
    found = []
    for index, item in enumerate(_list(program, stack).items):
        if isinstance(item, Entry) and item.operator == "x" and item.label is None:
            found.append(Slot(stack, index, item.argument, item.resolution))
        elif isinstance(item, Repeat):
            entries = list(BlockList(item.body).expanded())
            if all(entry.operator in "xr" and entry.label is None for entry in entries):
                found.append(Slot(stack, index, item.count, entries[0].resolution))
    return found


def _measured(slot: Slot, program: Program, compile_with: Compile) -> Slot:
    """The slot with the parameters of one more block; its weights are separate, so the cost is linear in the count."""
    more = compile_with(_overrides(program, [slot], [slot.base + 1]))
    return replace(slot, parameters_per_count=more.cost.parameters - program.cost.parameters)


def _overrides(program: Program, slots: Sequence[Slot], counts: Sequence[int]) -> dict[str, str]:
    """The block lists with these counts as overrides, for the stacks of these slots."""
    overrides = {}
    for stack in dict.fromkeys(slot.stack for slot in slots):
        items = list(_list(program, stack).items)
        for slot, count in zip(slots, counts, strict=True):
            if slot.stack == stack:
                items[slot.index] = _with_count(items[slot.index], count)
        overrides[f"model.{stack}"] = str(BlockList(tuple(items)))
    return overrides


def _with_count(item: Entry | Repeat, count: int) -> Entry | Repeat:
    return replace(item, argument=count) if isinstance(item, Entry) else replace(item, count=count)


def _list(program: Program, stack: str) -> BlockList:
    return program.spec.model.encoder if stack == "encoder" else program.spec.model.decoder
