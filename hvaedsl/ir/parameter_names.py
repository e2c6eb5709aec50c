"""The names of the parameters of the lowered module, `model.named_parameters()`, without torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from hvaedsl.ir.bridge import Block, Bridge, EncoderBlock, Head, Operation, Stack, State, Stem, TopDownBlock, stack_of
from hvaedsl.ir.shapes import arrays, layers, measured_parts

# A weight group: its stack, and its name there.
Group = tuple[Stack, str]


def block_attributes(bridge: Bridge) -> dict[Group, str]:
    """The attribute of each weight group: `r16_0`, the resolution and its number there, labeled or not.

    Groups are numbered in the order of their first application, so that the name of a parameter depends on the place of
    its block, and not on the label.
    """
    return numbered(first_applications(bridge))


def numbered(first_applications: Iterable[tuple[Group, Block]]) -> dict[Group, str]:
    """The resolution of each group and its number there, in their order."""
    begun: Counter[tuple[Stack, int]] = Counter()
    found: dict[Group, str] = {}
    for group, op in first_applications:
        place = (stack_of(op), op.resolution)
        found[group] = f"r{op.resolution}_{begun[place]}"
        begun[place] += 1
    return found


def block_path(stack: Stack, attribute: str) -> str:
    """The path of a block's module: `decoder.blocks.r8_0`."""
    return f"{stack}.blocks.{attribute}"


def first_applications(bridge: Bridge) -> Iterator[tuple[Group, Block]]:
    """Each weight group with its first application, in order."""
    for op in bridge.operations:
        if isinstance(op, EncoderBlock | TopDownBlock) and op.application == 0:
            yield (stack_of(op), op.group), op


def state_attribute(resolution: int) -> str:
    """The attribute of the learned state of a resolution."""
    return f"r{resolution}"


def resampling_attribute(start: int, end: int) -> str:
    """The attribute of the pooling, or the embedding, from one resolution to another."""
    return f"r{start}_to_r{end}"


def parameter_shapes(bridge: Bridge) -> dict[str, tuple[int, ...]]:
    """Every parameter of the lowered module by name, `model.named_parameters()` without torch.

    For custom parts, those that have been measured.
    """
    attributes = block_attributes(bridge)
    found: dict[str, tuple[int, ...]] = {}
    for op in bridge.operations:
        path = _path(op, attributes)
        for layer in layers(op):
            found |= {f"{_join(path, layer.name)}.{array}": shape for array, shape in layer.arrays}
        for array, shape in arrays(op):
            found[
                f"decoder.states.{state_attribute(op.resolution)}" if isinstance(op, State) else f"decoder.{array}"
            ] = shape
        for part, measured in measured_parts(op):
            found |= {_join(_join(path, part), name): shape for name, shape in measured.parameters}
    return found


def _path(op: Operation, attributes: Mapping[Group, str]) -> str:
    match op:
        case Stem():
            return "encoder.stem"
        case EncoderBlock() | TopDownBlock():
            stack = stack_of(op)
            return block_path(stack, attributes[stack, op.group])
        case Head():
            return "likelihood"
        case _:
            return ""


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if name else path
