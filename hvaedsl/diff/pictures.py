"""Both bridges beside each other, with a mark on every box that has no equal in the other picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from difflib import SequenceMatcher

from hvaedsl.diff.levels import Place, place_of
from hvaedsl.ir.bridge import Bridge, Operation
from hvaedsl.program import Program
from hvaedsl.render.dot import Picture, dot_side_by_side
from hvaedsl.render.runs import Run, find_runs
from hvaedsl.render.style import Mark

# What tells one application from another, and not what it computes.
_IDENTITY = frozenset({"group", "application", "layer", "reads", "span", "measured"})
Marks = dict[int, Mark]


def difference_dot(before: Program, after: Program) -> str:
    """The two pictures as DOT text: the first marks what is gone, the second what is new, both what differs."""
    first, second = marks(before.bridge, after.bridge)
    return dot_side_by_side(_picture(before, first, "before"), _picture(after, second, "after"))


def _picture(program: Program, marks: Marks, word: str) -> Picture:
    cost = program.cost
    caption = f"{cost.parameters:,} parameters, stochastic depth {cost.stochastic_depth:,}"
    return Picture(bridge=program.bridge, name=f"{word}: {program.name}", caption=caption, marks=marks)


def marks(before: Bridge, after: Bridge) -> tuple[Marks, Marks]:
    """The marks of both bridges, by the first operation of each box.

    Boxes are paired within a pass and resolution; stem and head with those of the other bridge, wherever they stand.
    """
    first, second = _by_place(before), _by_place(after)
    old: Marks = {}
    new: Marks = {}
    for place in dict.fromkeys((*first, *second)):
        _pair(first.get(place, []), second.get(place, []), (before, after), (old, new))
    return old, new


def _by_place(bridge: Bridge) -> dict[Place, list[Run]]:
    found: dict[Place, list[Run]] = {}
    for run in find_runs(bridge):
        stack, resolution = place_of(run, bridge)
        found.setdefault((stack, 0 if run.role in ("stem", "head") else resolution), []).append(run)
    return found


def _pair(old: Sequence[Run], new: Sequence[Run], bridges: tuple[Bridge, Bridge], found: tuple[Marks, Marks]) -> None:
    contents = ([_content(run, bridges[0]) for run in old], [_content(run, bridges[1]) for run in new])
    for tag, start, end, other, other_end in SequenceMatcher(None, *contents, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        gone, come = list(old[start:end]), list(new[other:other_end])
        for role in dict.fromkeys(run.role for run in gone):
            # A box stands for another one of its role: a block that mixes in for a block that mixes in.
            first, second = ([run for run in side if run.role == role] for side in (gone, come))
            for before, after in zip(first, second, strict=False):
                found[0][before.operations[0]] = found[1][after.operations[0]] = "changed"
        found[0].update({run.operations[0]: "removed" for run in gone if run.operations[0] not in found[0]})
        found[1].update({run.operations[0]: "added" for run in come if run.operations[0] not in found[1]})


def _content(run: Run, bridge: Bridge) -> tuple[object, ...]:
    ends = (bridge.operations[run.operations[0]], bridge.operations[run.operations[-1]])
    return (run.role, run.notation, *map(_of, ends))


def _of(op: Operation) -> tuple[object, ...]:
    return (op.kind, *(getattr(op, item.name) for item in fields(op) if item.name not in _IDENTITY))
