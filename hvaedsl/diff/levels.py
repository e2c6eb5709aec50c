"""The operations of one stack at one resolution, summarized for comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hvaedsl.ir.bridge import Bridge, EncoderBlock, Pool, Stack, State, TopDownBlock, stack_of
from hvaedsl.ir.parameter_names import block_attributes
from hvaedsl.passes.cost import Cost, Row
from hvaedsl.render.runs import Run, find_runs

Place = tuple[Stack, int]  # the stack and the resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One resolution of one stack. Two levels are equal if nothing in their architecture differs."""

    notation: str  # its blocks in the order of computation, as in the language
    blocks: int  # applications
    weight_groups: int  # first applied here
    sharing: tuple[tuple[int, int], ...]  # (times applied here, number of weight groups)
    channels: tuple[int, ...]
    inner_channels: tuple[int, ...]
    latent_channels: int | None  # of each z; None in the encoder
    begins: str  # in a decoder: the initial state
    reads: str  # in a decoder: the encoder activations that its posteriors read
    parameters: int
    latents: int
    # These follow from the rest, and from `train.passes`, which does not change the model.
    flops_per_image: int = field(compare=False)
    float32_bytes_per_image: int = field(compare=False)


def levels_of(bridge: Bridge, cost: Cost) -> dict[Place, Level]:
    """Return the levels of a bridge: the encoder from high to low resolution, then the decoder upwards."""
    notations: dict[Place, list[str]] = {}
    for run in find_runs(bridge):
        if run.notation:
            notations.setdefault(place_of(run, bridge), []).append(run.notation)
    rows = {(row.stack, row.resolution): row for row in cost.rows}
    return {place: _level(bridge, place, row, ", ".join(notations.get(place, []))) for place, row in rows.items()}


def walk_of(bridge: Bridge, stack: Stack) -> str:
    """Return the blocks of a stack in the order of computation, across resolutions."""
    runs = (run for run in find_runs(bridge) if run.notation)
    return ", ".join(run.notation for run in runs if place_of(run, bridge)[0] == stack)


def without_label_names(bridge: Bridge) -> Bridge:
    """Return the bridge with every label named after the position of its weights, for bridges that differ in names."""
    attributes = block_attributes(bridge)
    operations = tuple(
        replace(op, group=f"@{attributes[stack_of(op), op.group]}")
        if isinstance(op, EncoderBlock | TopDownBlock) and op.group.startswith("@")
        else op
        for op in bridge.operations
    )
    return replace(bridge, operations=operations)


def place_of(run: Run, bridge: Bridge) -> Place:
    """Return the stack and resolution of a run."""
    return stack_of(bridge.operations[run.operations[0]]), run.resolution


def _level(bridge: Bridge, place: Place, row: Row, notation: str) -> Level:
    stack, resolution = place
    ops = [op for op in bridge.operations if stack_of(op) == stack and op.resolution == resolution]
    blocks = [op for op in ops if isinstance(op, EncoderBlock | TopDownBlock)]
    climbing = [op for op in blocks if isinstance(op, TopDownBlock)]
    start = next((op for op in ops if isinstance(op, State)), None)
    applied = Counter(op.group for op in blocks)

    return Level(
        notation=notation,
        blocks=row.blocks,
        weight_groups=row.weight_groups,
        sharing=tuple(sorted(Counter(applied.values()).items(), reverse=True)),
        channels=tuple(sorted({op.channels for op in ops if not isinstance(op, Pool)})),
        inner_channels=tuple(sorted({op.mid for op in blocks})),
        latent_channels=climbing[0].latent if climbing else None,
        begins="" if start is None else "as a learned bias" if start.learned else "as zeros",
        reads=_reads(bridge, resolution, climbing) if climbing else "",
        parameters=row.parameters,
        latents=row.latents,
        flops_per_image=row.flops_per_image,
        float32_bytes_per_image=row.float32_bytes_per_image,
    )


def _reads(bridge: Bridge, resolution: int, blocks: Sequence[TopDownBlock]) -> str:
    """The encoder activations that the posteriors read, counted from the encoder's last block at the resolution."""
    order = [i for i, op in bridge.encoder if isinstance(op, EncoderBlock) and op.resolution == resolution]
    from_last = {index: position for position, index in enumerate(reversed(order))}
    found = list(dict.fromkeys(_activation(bridge, block.reads, from_last) for block in blocks))
    return found[0] if len(found) == 1 else f"{len(found)} activations, each block its own"


def _activation(bridge: Bridge, index: int | None, from_last: Mapping[int, int]) -> str:
    if index is None:
        return "no activation"
    if index in from_last:
        return "the last block" if not from_last[index] else f"the last block but {from_last[index]}"
    return "the pooled activation" if isinstance(bridge.operations[index], Pool) else "the stem"
