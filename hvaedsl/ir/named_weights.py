"""The weights that a name of `train.freeze` or `train.rates` means.

A name is a prefix of names of parameters at whole segments, such as `encoder` or `decoder.blocks.r8_0.prior`; or a
stage, `encoder.r8` or `decoder.r8`: the blocks that are applied at a resolution, and the learned state there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from hvaedsl.diagnostics.diagnostic import nearest
from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import Bridge, EncoderBlock, Head, State, TopDownBlock, stack_of
from hvaedsl.ir.cells import cell_kind
from hvaedsl.ir.cells.kind import RESIDUAL_STEP
from hvaedsl.ir.parameter_names import block_attributes, block_path, parameter_shapes, state_attribute
from hvaedsl.ir.residual_blocks import block_kind
from hvaedsl.ir.training import TrainSpec

_STAGE = re.compile(r"(encoder|decoder)\.r([0-9]+)")


class ChosenWeights(Record):
    """The parameters, by name, that `train.freeze` and `train.rates` mean."""

    frozen: frozenset[str]
    factors: Mapping[str, float]  # on the learning rate, of the parameters that have one


class NamedWeights(Record):
    """The parameters of a model by name, and the resolutions at which the blocks are applied."""

    parameters: tuple[str, ...]  # in their order; a custom part that has not been measured counts as one, its path
    resolutions: Mapping[str, tuple[int, ...]]  # of each block and learned state, by its path, the highest first
    unknown: frozenset[str] = frozenset()  # the paths of custom parts that have not been measured

    def matching(self, name: str) -> tuple[str, ...]:
        """The parameters that a name means, in their order; empty if it means none."""
        stage = stage_of(name)
        if stage is None:
            return tuple(found for found in self.parameters if _begins(found, name) or self._is_inside(name, found))
        stack, at = stage
        return tuple(
            found
            for found in self.parameters
            if found.startswith(f"{stack}.") and at in self.resolutions.get(path_of(found), ())
        )

    def frozen(self, names: Iterable[str]) -> frozenset[str]:
        """The parameters that `train.freeze` names. A part of a custom part that is not measured is not counted."""
        return frozenset(found for name in names for found in self.matching(name) if not self._is_inside(name, found))

    def factors(self, rates: Mapping[str, float]) -> dict[str, float]:
        """The factor on the learning rate of each parameter that `train.rates` names; the longest name wins."""
        found: dict[str, float] = {}
        for name in sorted(rates, key=length_of):
            found |= dict.fromkeys(self.matching(name), rates[name])
        return found

    def chosen(self, train: TrainSpec) -> ChosenWeights:
        """The parameters that a training names."""
        return ChosenWeights(self.frozen(train.freeze or ()), self.factors(train.rates))

    def similar(self, name: str) -> tuple[str, ...]:
        """The names that were probably meant by a name that means nothing, at most two; empty if none is similar."""
        stages = list(self._stages())
        without = {found.replace(".blocks.", ".", 1): found for found in self._paths() if ".blocks." in found}
        ends = [found for found in (*self._paths(), *stages) if found.endswith(f".{name}")]
        if name in without or ends:
            return (without[name],) if name in without else tuple(ends[:2])

        # From the first segment that is unknown, the others stay if they are known behind the nearest one.
        known, rest = "", name.split(".")
        while rest:
            children = {child.rpartition(".")[2]: child for child in self.children(known)}
            segment = rest.pop(0)
            if segment not in children:
                near = nearest(segment, children, most=len(children))
                if near is None:
                    return ()
                whole = ".".join((children[near], *rest))
                return (whole if self.matching(whole) else children[near],)
            known = children[segment]
        return ()

    def continued(self, name: str) -> tuple[str, list[str]]:
        """The longest beginning of a name that is known, and the names that continue it by one segment."""
        while name and not self.children(name):
            name = name.rpartition(".")[0]
        return name, self.children(name)

    def children(self, prefix: str) -> list[str]:
        """The names that continue a prefix, or begin a name if it is empty, by one segment; stages come last."""
        dot = f"{prefix}." if prefix else ""
        found = dict.fromkeys(
            dot + name.removeprefix(dot).partition(".")[0] for name in self.parameters if name.startswith(dot)
        )
        return [*found, *(stage for stage in self._stages() if prefix == stage.partition(".")[0])]

    def _paths(self) -> Iterator[str]:
        """The first three segments of every parameter, and their beginnings, each once."""
        found = ((path := path_of(name), path.rpartition(".")[0]) for name in self.parameters)
        return iter(dict.fromkeys(path for pair in found for path in reversed(pair) if path))

    def _stages(self) -> Iterator[str]:
        stages = {(path.partition(".")[0], at) for path, found in self.resolutions.items() for at in found}
        return (f"{stack}.r{at}" for stack, at in sorted(stages, key=lambda stage: (stage[0], -stage[1])))

    def _is_inside(self, name: str, path: str) -> bool:
        """Whether a name is that of a part inside a custom part that is not measured."""
        return path in self.unknown and name != path and _begins(name, path)


def named_weights(bridge: Bridge, parameters: Collection[str] | None = None) -> NamedWeights:
    """The weights of a bridge: `parameters` are those of its module; without them, as far as they are known."""
    attributes = block_attributes(bridge)
    applied: dict[str, set[int]] = {}
    unknown: set[str] = set()
    for op in bridge.operations:
        if isinstance(op, EncoderBlock | TopDownBlock):
            stack = stack_of(op)
            path = block_path(stack, attributes[stack, op.group])
            applied.setdefault(path, set()).add(op.resolution)
            if isinstance(op, TopDownBlock) and cell_kind(op.cell) is None and op.measured is None:
                unknown.add(path)
            elif block_kind(op.block) is None and op.measured_block is None:
                unknown.add(path if isinstance(op, EncoderBlock) else f"{path}.{RESIDUAL_STEP.name}")
        elif isinstance(op, State) and op.learned:
            applied[f"decoder.states.{state_attribute(op.resolution)}"] = {op.resolution}
        elif isinstance(op, Head) and not op.outputs and op.measured is None:
            unknown.add("likelihood")

    resolutions = {path: tuple(sorted(found, reverse=True)) for path, found in applied.items()}
    if parameters is not None:
        return NamedWeights(tuple(parameters), resolutions)
    return NamedWeights((*parameter_shapes(bridge), *sorted(unknown)), resolutions, frozenset(unknown))


def stage_of(name: str) -> tuple[str, int] | None:
    """The stack and the resolution of a name such as `decoder.r8`; None for another name."""
    found = _STAGE.fullmatch(name)
    return None if found is None else (found[1], int(found[2]))


def length_of(name: str) -> float:
    """The length of a name in segments; `encoder.r8` is longer than `encoder.blocks`, and shorter than its blocks."""
    return name.count(".") + 1 + (0.5 if stage_of(name) is not None else 0)


def path_of(parameter: str) -> str:
    """The path of the block or learned state that a parameter is in: its first three segments."""
    return ".".join(parameter.split(".")[:3])


def _begins(name: str, prefix: str) -> bool:
    """Whether a name has a prefix at whole segments."""
    return f"{name}.".startswith(f"{prefix}.")
