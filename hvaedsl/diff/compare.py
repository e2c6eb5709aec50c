"""Compare two programs: keys, levels, order, cost, and whether the weights still load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from hvaedsl.diff.effects import without_effect
from hvaedsl.diff.levels import Level, levels_of, walk_of, without_label_names
from hvaedsl.diff.weights import WeightsMatch, match_weights
from hvaedsl.ir.bridge import Bridge, Stack
from hvaedsl.ir.data_spec import OF_LEVELS
from hvaedsl.ir.parameter_names import parameter_shapes
from hvaedsl.ir.spec import SECTIONS, Spec, keys, section_of
from hvaedsl.ir.spec_text import key_text
from hvaedsl.program import Program

_BLOCKS = ("encoder", "decoder")  # keys that are compared by their blocks: `32x2` equals `32, 32`


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Cost of a whole model. Memory: float32 activations of a training step on `batch` images."""

    parameters: int
    weight_groups: int
    shared_groups: int  # applied more than once
    blocks: int  # applications, in both passes
    stochastic_depth: int
    latents: int
    flops_per_image: int
    batch: int
    activation_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two compared models."""

    label: str  # as given on the command line: a path or git:REV:PATH
    name: str
    totals: Totals
    uncounted: tuple[str, ...]  # custom parts that have not been imported


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A key of the resolved spec with different values, in the notation of the language."""

    section: str
    name: str
    before: str
    after: str

    @property
    def key(self) -> str:
        """The dotted name of the key."""
        return f"{self.section}.{self.name}"


@dataclass(frozen=True, slots=True)
class LevelChange:
    """A resolution of one stack that differs or that only one model has."""

    stack: Stack
    resolution: int
    before: Level | None
    after: Level | None


@dataclass(frozen=True, slots=True)
class WalkChange:
    """A stack with the same blocks at each resolution in another order."""

    stack: Stack
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """All differences of two programs, except names (also of labels), comments, layout and notation of values."""

    before: Side
    after: Side
    keys: tuple[KeyChange, ...]  # those that have an effect
    without_effect: tuple[KeyChange, ...]
    levels: tuple[LevelChange, ...]
    walks: tuple[WalkChange, ...]
    weights: WeightsMatch

    @property
    def is_empty(self) -> bool:
        """Whether both are the same model with the same training and sampling."""
        return not (self.keys or self.levels or self.walks)

    @property
    def changes_the_model(self) -> bool:
        """Whether the same weights compute something else, training aside."""
        return bool(self.levels or self.walks or any(change.section.startswith("model") for change in self.keys))


def compare(before: Program, after: Program, labels: tuple[str, str] | None = None) -> Difference:
    """Compare two programs; `labels` replace their names."""
    first, second = labels or (before.name, after.name)
    changes = tuple(_key_changes(before.spec, after.spec))
    idle = without_effect(before, after, (change.key for change in changes))
    levels = tuple(_level_changes(before, after))
    # The order of the blocks is compared only where the blocks at each resolution are the same.
    moved = {change.stack for change in levels if _blocks(change.before) != _blocks(change.after)}
    return Difference(
        before=_side(before, first),
        after=_side(after, second),
        keys=tuple(change for change in changes if change.key not in idle),
        without_effect=tuple(change for change in changes if change.key in idle),
        levels=levels,
        walks=tuple(change for change in _walk_changes(before.bridge, after.bridge) if change.stack not in moved),
        weights=match_weights(
            parameter_shapes(before.bridge),
            parameter_shapes(after.bridge),
            known=not (before.cost.uncounted or after.cost.uncounted),
        ),
    )


def _side(program: Program, label: str) -> Side:
    cost, batch = program.cost, program.spec.train.images_at_once or 1
    totals = Totals(
        parameters=cost.parameters,
        weight_groups=len(program.weight_groups),
        shared_groups=sum(len(group.applications) > 1 for group in program.weight_groups),
        blocks=sum(row.blocks for row in cost.rows),
        stochastic_depth=cost.stochastic_depth,
        latents=cost.latents,
        flops_per_image=cost.flops_per_image,
        batch=batch,
        activation_bytes=cost.activation_bytes(batch),
    )
    return Side(label=label, name=program.name, totals=totals, uncounted=cost.uncounted)


def _key_changes(before: Spec, after: Spec) -> Iterator[KeyChange]:
    for section, kind in SECTIONS.items():
        for name in keys(kind):
            if section == "model" and name in _BLOCKS:
                continue
            if section == "data" and name in OF_LEVELS and (before.data.is_real or after.data.is_real):
                continue  # they follow from `data.values`
            first, second = (getattr(section_of(spec, section), name) for spec in (before, after))
            if first != second and not (name == "widths" and _widths(before) == _widths(after)):
                yield KeyChange(section, name, key_text(section, name, first), key_text(section, name, second))


def _widths(spec: Spec) -> Mapping[int, int]:
    """The widths that differ from `width`, with `width` itself under 0."""
    return {0: spec.model.width} | {r: width for r, width in spec.model.widths.items() if width != spec.model.width}


def _level_changes(before: Program, after: Program) -> Iterator[LevelChange]:
    first, second = levels_of(before.bridge, before.cost), levels_of(after.bridge, after.cost)
    unnamed = [levels_of(without_label_names(side.bridge), side.cost) for side in (before, after)]
    for stack in get_args(Stack):
        found = {resolution for place, resolution in (*first, *second) if place == stack}
        for resolution in sorted(found, reverse=stack == "encoder"):
            place = (stack, resolution)
            old, new = first.get(place), second.get(place)
            if old != new and unnamed[0].get(place) != unnamed[1].get(place):
                yield LevelChange(stack, resolution, old, new)


def _walk_changes(before: Bridge, after: Bridge) -> Iterator[WalkChange]:
    for stack in get_args(Stack):
        old, new = walk_of(before, stack), walk_of(after, stack)
        unnamed = [walk_of(without_label_names(bridge), stack) for bridge in (before, after)]
        if old != new and unnamed[0] != unnamed[1]:
            yield WalkChange(stack, old, new)


def _blocks(level: Level | None) -> str | None:
    return None if level is None else level.notation
