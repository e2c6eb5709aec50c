"""The verifier: the invariants of a bridge between passes. A violation is a bug of the compiler, not of the spec."""

from __future__ import annotations

from hvaedsl.diagnostics.errors import CompilerBug
from hvaedsl.ir.bridge import Bridge, EncoderBlock, Head, MixIn, Pool, Stem, TopDownBlock, output_resolution, stack_of


def verify(bridge: Bridge, *, after: str) -> None:
    """Raise `CompilerBug` unless operations are in order, layers and applications numbered, and reads valid."""
    ops = bridge.operations
    # Order.
    _require(len(ops) >= 2, after, "it has no stem or no head")
    order = [stack_of(op) for op in ops]
    _require(order == sorted(order, reverse=True), after, "an encoder operation comes after a decoder operation")
    _require(
        isinstance(ops[0], Stem) and isinstance(ops[-1], Head), after, "the stem is not first or the head not last"
    )
    _require(sum(isinstance(op, Stem | Head) for op in ops) == 2, after, "it has more than one stem or head")

    blocks = [op for op in ops if isinstance(op, TopDownBlock)]
    layers = [op.layer for op in blocks if op.draws]
    _require(layers == list(range(len(layers))), after, "stochastic layers are not numbered in order")
    _require(bool(layers), after, "no block draws a latent")
    _require(all(op.latent > 0 for op in blocks if op.draws), after, "a block draws a latent without channels")
    apart = all(op.layer is None and op.reads is None for op in blocks if not op.draws)
    _require(apart, after, "a block that draws no latent has a layer or reads an activation")
    applied: dict[tuple[str, str], int] = {}
    for index, op in enumerate(ops):
        if isinstance(op, EncoderBlock | TopDownBlock):
            key = (stack_of(op), op.group)
            _require(op.application == applied.get(key, 0), after, f"operation {index}: application out of order")
            applied[key] = op.application + 1

        if isinstance(op, MixIn):
            wide = op.is_sound and op.source_channels >= op.channels
            _require(wide, after, f"operation {index} mixes in a state of another shape")

        if isinstance(op, TopDownBlock) and op.reads is not None:
            _require(0 <= op.reads < index, after, f"operation {index} reads a later operation")
            read = ops[op.reads]
            if not isinstance(read, Stem | EncoderBlock | Pool):
                raise CompilerBug(f"the bridge is invalid after {after}: operation {index} reads no activation")
            same = output_resolution(read) == op.resolution and read.channels == op.channels
            _require(same, after, f"operation {index} reads an activation of another shape")


def _require(condition: bool, after: str, problem: str) -> None:
    if not condition:
        raise CompilerBug(f"the bridge is invalid after {after}: {problem}")
