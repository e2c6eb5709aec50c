"""Holding the parameters: block counts chosen such that a model has as many parameters as another.

The paper's ablations compare models of like size (Table G.7: "trimmed encoder blocks"; which ones is not said). The
rule here is the project's own, and the same spec always gives the same counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.ir.blocks import BlockList, Entry, Repeat
from hvaedsl.program import Program

# A match this close is taken without touching the decoder, whose blocks are the stochastic depth.
CLOSE_ENOUGH = Fraction(1, 100)
# An entry grows to so many times what the spec says, and no further.
GROWTH = 10
STACKS = ("encoder", "decoder")

Compile = Callable[[Mapping[str, str]], Program]


@dataclass(frozen=True)
class Match:
    """A program whose block counts were chosen to have `target` parameters."""

    program: Program
    target: int

    @property
    def difference(self) -> float:
        """(reached - target) / target."""
        return (self.program.cost.parameters - self.target) / self.target


@dataclass(frozen=True)
class Slot:
    """An item of a block list whose count may change: `RxN`, or `k*(...)` of blocks with weights of their own."""

    stack: str
    index: int
    base: int
    resolution: int
    parameters_per_count: int = 0


def match_parameters(compile_with: Compile, target: int) -> Match:
    """Choose block counts for a program of `target` parameters, or as near as counts come.

    `compile_with` compiles the spec under further overrides of `model.encoder` and `model.decoder`. Blocks are taken
    away or added one at a time, of the encoder first: next comes the entry that has the largest share of its own count
    left (or, growing, the smallest), at equal shares that of the largest resolution, as long as the distance to the
    target becomes smaller. Only where the encoder cannot come within a hundredth are counts of the decoder changed,
    and then the encoder's once more. `r`, `d`, `m` and labelled entries stay as they are, every entry keeps one block
    at least, and none grows beyond ten times its count.

    Raises UsageError for synchronous processing, which ties the encoder's counts to the decoder's; SpecError as
    compiling does.
    """
    program = compile_with({})
    if program.spec.model.processing == "synchronous":
        raise UsageError(
            "--match-parameters changes the block counts of the encoder, and model.processing = synchronous ties them "
            "to those of the decoder"
        )
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
    """Change the counts of one stack, in place, as long as the target comes nearer; the parameters reached."""
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
    """The slots of a stack that may change, the next one first."""
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
    """The slot with what one more of it costs: weights of its own, so that the cost is linear in the count."""
    more = compile_with(_overrides(program, [slot], [slot.base + 1]))
    return replace(slot, parameters_per_count=more.cost.parameters - program.cost.parameters)


def _overrides(program: Program, slots: Sequence[Slot], counts: Sequence[int]) -> dict[str, str]:
    """The block lists with these counts, as overrides; only the stacks that have a slot among these."""
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
