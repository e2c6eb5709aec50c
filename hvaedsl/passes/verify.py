"""The verifier: the invariants of a bridge between passes. A violation is a bug of the compiler, not of the spec."""

from __future__ import annotations

from collections.abc import Sequence

from hvaedsl.diagnostics.errors import CompilerBug
from hvaedsl.ir.bridge import (
    Bridge,
    EncoderBlock,
    Head,
    MixIn,
    Operation,
    Pool,
    Stem,
    TopDownBlock,
    output_resolution,
)

_BLOCKS = (EncoderBlock, TopDownBlock)
_ENCODER = (Stem, EncoderBlock, Pool)


def verify(bridge: Bridge, *, after: str) -> None:
    """Raise `CompilerBug` unless operations are in order, layers and applications numbered, and reads valid."""
    ops = bridge.operations
    kinds = [type(op) for op in ops]
    # Order.
    _require(len(ops) >= 2, after, "it has no stem or no head")
    below = [kind in _ENCODER for kind in kinds]
    _require(below == sorted(below, reverse=True), after, "an encoder operation comes after a decoder operation")
    _require(kinds[0] is Stem and kinds[-1] is Head, after, "the stem is not first or the head not last")
    _require(kinds.count(Stem) + kinds.count(Head) == 2, after, "it has more than one stem or head")

    blocks = [op for op in ops if isinstance(op, TopDownBlock)]
    layers = [op.layer for op in blocks if op.draws]
    _require(layers == list(range(len(layers))), after, "stochastic layers are not numbered in order")
    _require(bool(layers), after, "no block draws a latent")
    _require(all(op.latent > 0 for op in blocks if op.draws), after, "a block draws a latent without channels")
    apart = all(op.layer is None and op.reads is None for op in blocks if not op.draws)
    _require(apart, after, "a block that draws no latent has a layer or reads an activation")
    applied: dict[tuple[type[Operation], str], int] = {}
    hoisted: set[tuple[str, int | None]] = set()
    for index, op in enumerate(ops):
        if problem := _problem(ops, index, op, applied) or _missing(op, hoisted):
            raise CompilerBug(f"the bridge is invalid after {after}: operation {index}{problem}")


def _problem(
    ops: Sequence[Operation], index: int, op: Operation, applied: dict[tuple[type[Operation], str], int]
) -> str:
    """What is wrong with one operation; empty if nothing is. `applied` counts the applications before it."""
    if isinstance(op, _BLOCKS):
        key = (type(op), op.group)
        if op.application != applied.get(key, 0):
            return ": application out of order"
        applied[key] = op.application + 1
        if isinstance(op, EncoderBlock) or op.reads is None:
            return ""

        if not 0 <= op.reads < index:
            return " reads a later operation"
        read = ops[op.reads]
        if not isinstance(read, _ENCODER):
            return " reads no activation"
        if output_resolution(read) != op.resolution or read.channels != op.channels:
            return " reads an activation of another shape"

    elif isinstance(op, MixIn) and not (op.is_sound and op.source_channels >= op.channels):
        return " mixes in a state of another shape"
    return ""


def _missing(op: Operation, hoisted: set[tuple[str, int | None]]) -> str:
    """What is wrong with a hoisted block. `hoisted` are the weights and activations that were computed before it."""
    if not isinstance(op, TopDownBlock) or op.hoisted is None:
        return ""
    if op.reads is None:
        return " is hoisted, and reads no activation"
    if op.hoisted == "again" and (op.group, op.reads) not in hoisted:
        return " takes what no earlier application has read"
    hoisted.add((op.group, op.reads))
    return ""


def _require(condition: bool, after: str, problem: str) -> None:
    if not condition:
        raise CompilerBug(f"the bridge is invalid after {after}: {problem}")
