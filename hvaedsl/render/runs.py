"""Runs: consecutive equal operations, which are drawn as one box, in the order of computation.

A run is a sequence of weight groups, each applied the same number of times: `11*32r3` has eleven groups with three
applications each, `32x11` eleven groups with one. A block with pooling or a mix-in is a run of its own. A group that is
applied elsewhere too is never merged with others, so that its color shows all of its places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from hvaedsl.ir.bridge import Block, Bridge, EncoderBlock, MixIn, Pool, State, Stem, TopDownBlock, stack_of

Role = Literal["stem", "residual", "down", "pooled", "state", "mix_in", "top_down", "head"]
ENCODER_ROLES: frozenset[Role] = frozenset({"stem", "residual", "down", "pooled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The operations of one box, as indices into the bridge, all in one lane of the picture."""

    role: Role
    resolution: int
    operations: tuple[int, ...]
    groups: tuple[str, ...] = ()  # such as `encoder @g`: encoder and decoder have separate names
    applications: int = 0  # of each group, in a row
    notation: str = ""  # as in the language: 11*32r3, 32d2, 8r3@g

    @property
    def shared(self) -> bool:
        """Whether a weight group is applied more than once within this run."""
        return self.applications > 1


def find_runs(bridge: Bridge) -> tuple[Run, ...]:
    """Return runs that contain every operation of the bridge exactly once, in the order of computation."""
    last = len(bridge.operations) - 1
    spread = _spread_groups(bridge)
    encoder = _encoder_runs(bridge, spread)
    decoder = _decoder_runs(bridge, spread)
    head = Run(role="head", resolution=bridge.head.resolution, operations=(last,))
    return (*encoder, *decoder, head)


def recurring_groups(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return the weight groups of several runs, in the order of their first application."""
    seen: dict[str, int] = {}
    for run in runs:
        for group in run.groups:
            seen[group] = seen.get(group, 0) + 1
    return tuple(group for group, count in seen.items() if count > 1)


def _encoder_runs(bridge: Bridge, spread: frozenset[str]) -> Iterator[Run]:
    read = {op.reads for op in bridge.operations if isinstance(op, TopDownBlock)}
    waiting: list[tuple[int, Block]] = []
    for i, op in bridge.encoder:
        if isinstance(op, EncoderBlock):
            if waiting and waiting[-1][1].resolution != op.resolution:
                yield from _block_runs(waiting, spread)
                waiting = []
            waiting.append((i, op))
            continue

        # A pooling takes the block of its `d` entry, which came last, out of the blocks that wait to be merged.
        block = waiting.pop() if isinstance(op, Pool) and waiting else None
        yield from _block_runs(waiting, spread)
        waiting = []
        if isinstance(op, Stem):
            yield Run(role="stem", resolution=op.resolution, operations=(i,))
            continue
        # A pooled activation that the decoder reads gets its own box; otherwise the arrow is enough.
        alone = block is None or i in read
        if block is not None:
            yield _down_run(block, op, (block[0],) if alone else (block[0], i))
        if alone:
            yield Run(role="pooled", resolution=op.to, operations=(i,))
    yield from _block_runs(waiting, spread)


def _down_run(block: tuple[int, Block], pool: Pool, operations: tuple[int, ...]) -> Run:
    group = qualified_group(block[1])
    notation = f"{block[1].resolution}d{pool.factor}{group_label(group)}"
    resolution = block[1].resolution
    return Run(
        role="down", resolution=resolution, operations=operations, groups=(group,), applications=1, notation=notation
    )


def _decoder_runs(bridge: Bridge, spread: frozenset[str]) -> Iterator[Run]:
    waiting: list[tuple[int, Block]] = []
    mixed: list[tuple[int, MixIn]] = []
    for i, op in bridge.decoder:
        if isinstance(op, TopDownBlock) and not mixed and (not waiting or waiting[-1][1].resolution == op.resolution):
            waiting.append((i, op))
            continue

        # Anything else ends the sequence of plain blocks.
        yield from _block_runs(waiting, spread)
        waiting = []
        match op:
            case State():
                yield Run(role="state", resolution=op.resolution, operations=(i,))
            case MixIn():
                mixed.append((i, op))
            case TopDownBlock() if mixed:
                yield _mix_in_run(mixed, i, op)
                mixed = []
            case TopDownBlock():
                waiting.append((i, op))
    yield from _block_runs(waiting, spread)


def _mix_in_run(mixed: Sequence[tuple[int, MixIn]], index: int, block: TopDownBlock) -> Run:
    sources = ",".join(str(op.source) for _, op in mixed)
    return Run(
        role="mix_in",
        resolution=block.resolution,
        operations=(*(i for i, _ in mixed), index),
        groups=(qualified_group(block),),
        applications=1,
        notation=f"{block.resolution}m{sources}{group_label(block.group)}",
    )


def _block_runs(blocks: Sequence[tuple[int, Block]], spread: frozenset[str]) -> Iterator[Run]:
    """Merge plain blocks at one resolution: first the applications of a group, then equal groups."""
    segments = [list(segment) for _, segment in groupby(blocks, key=_group_of)]
    merged: list[list[list[tuple[int, Block]]]] = []
    for segment in segments:
        own = merged[-1] if merged else None
        apart = {_group_of(segment[0])} | ({_group_of(own[0][0])} if own else set())
        if own is not None and _alike(own[-1], segment) and not apart & spread:
            own.append(segment)
        else:
            merged.append([segment])

    for alike in merged:
        first = alike[0][0][1]
        groups = tuple(_group_of(segment[0]) for segment in alike)
        yield Run(
            role="residual" if isinstance(first, EncoderBlock) else "top_down",
            resolution=first.resolution,
            operations=tuple(i for segment in alike for i, _ in segment),
            groups=groups,
            applications=len(alike[0]),
            notation=_notation(first.resolution, groups, len(alike[0])),
        )


def _group_of(block: tuple[int, Block]) -> str:
    return qualified_group(block[1])


def _alike(left: Sequence[tuple[int, Block]], right: Sequence[tuple[int, Block]]) -> bool:
    return len(left) == len(right) and _shape(left[0][1]) == _shape(right[0][1])


def _shape(block: Block) -> tuple[int | str, ...]:
    latent, cell = (block.latent, block.cell) if isinstance(block, TopDownBlock) else (0, "")
    return (block.resolution, block.channels, block.mid, block.kernel, latent, cell)


def _spread_groups(bridge: Bridge) -> frozenset[str]:
    """The labeled groups and those that are applied at several places, which are never merged with neighbors."""
    seen: set[str] = set()
    spread: set[str] = set()
    before = ""
    for op in bridge.operations:
        group = qualified_group(op) if isinstance(op, EncoderBlock | TopDownBlock) else ""
        if group_label(group) or (group in seen and group != before):
            spread.add(group)
        seen |= {group} - {""}
        before = group
    return frozenset(spread)


def qualified_group(block: Block) -> str:
    """Return the weight group with its stack, because encoder and decoder name their groups independently."""
    return f"{stack_of(block)} {block.group}"


def group_label(group: str) -> str:
    """Return the label of a group as in the language, `@g`; empty for groups that the compiler numbers."""
    _, at, label = group.partition("@")
    return at + label


def _notation(resolution: int, groups: tuple[str, ...], applications: int) -> str:
    if applications == 1:
        return f"{resolution}x{len(groups)}{group_label(groups[0])}"
    times = f"{len(groups)}*" if len(groups) > 1 else ""
    return f"{times}{resolution}r{applications}{group_label(groups[0])}"
