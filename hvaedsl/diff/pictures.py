"""Both bridges side by side, with a mark on every box that has no equal in the other picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from difflib import SequenceMatcher

from hvaedsl.diff.levels import Place, place_of, without_label_names
from hvaedsl.ir.bridge import Bridge, Operation
from hvaedsl.program import Program
from hvaedsl.render.dot import Picture, dot_side_by_side
from hvaedsl.render.runs import Run, find_runs
from hvaedsl.render.style import Mark

# Fields that identify an application and do not affect what it computes.
_IDENTITY = frozenset({"group", "application", "layer", "reads", "span", "measured"})
Marks = dict[int, Mark]


def difference_dot(before: Program, after: Program) -> str:
    """Return both pictures as DOT text; the first marks removed boxes, the second added ones, both changed ones."""
    first, second = marks(before.bridge, after.bridge)
    return dot_side_by_side(_picture(before, first, "before"), _picture(after, second, "after"))


def _picture(program: Program, marks: Marks, prefix: str) -> Picture:
    cost = program.cost
    caption = f"{cost.parameters:,} parameters, stochastic depth {cost.stochastic_depth:,}"
    return Picture(bridge=program.bridge, name=f"{prefix}: {program.name}", caption=caption, marks=marks)


def marks(before: Bridge, after: Bridge) -> tuple[Marks, Marks]:
    """Return the marks of both bridges by the first operation of each box.

    Boxes are paired within a stack and resolution; stem and head at any resolution. A box that differs only in the name
    of its label has no mark.
    """
    named = _marks(before, after)
    unnamed = _marks(without_label_names(before), without_label_names(after))
    old, new = (
        {box: mark for box, mark in found.items() if box in other} for found, other in zip(named, unnamed, strict=True)
    )
    return old, new


def _marks(before: Bridge, after: Bridge) -> tuple[Marks, Marks]:
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
        removed, added = list(old[start:end]), list(new[other:other_end])
        for role in dict.fromkeys(run.role for run in removed):
            # Boxes are paired by role: a mix-in with a mix-in.
            first, second = ([run for run in side if run.role == role] for side in (removed, added))
            for before, after in zip(first, second, strict=False):
                found[0][before.operations[0]] = found[1][after.operations[0]] = "changed"
        found[0].update({run.operations[0]: "removed" for run in removed if run.operations[0] not in found[0]})
        found[1].update({run.operations[0]: "added" for run in added if run.operations[0] not in found[1]})


def _content(run: Run, bridge: Bridge) -> tuple[object, ...]:
    ends = (bridge.operations[run.operations[0]], bridge.operations[run.operations[-1]])
    return (run.role, run.notation, *map(_of, ends))


def _of(op: Operation) -> tuple[object, ...]:
    return (op.kind, *(getattr(op, item.name) for item in fields(op) if item.name not in _IDENTITY))
