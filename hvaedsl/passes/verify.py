"""The verifier: what holds of every bridge between two passes. A violation is the compiler's bug, never the user's."""

from __future__ import annotations

from hvaedsl.diagnostics.errors import CompilerBug
from hvaedsl.ir.bridge import Bridge, EncoderBlock, Head, MixIn, Pool, Stem, TopDownBlock, output_resolution, stack_of


def verify(bridge: Bridge, *, after: str) -> None:
    """Raise `CompilerBug` unless the operations are ordered, latents and applications numbered, and reads sound."""
    ops = bridge.operations
    _hold(len(ops) >= 2, after, "it has no stem or no head")
    order = [stack_of(op) for op in ops]
    _hold(order == sorted(order, reverse=True), after, "an encoder operation stands behind a decoder operation")
    _hold(isinstance(ops[0], Stem) and isinstance(ops[-1], Head), after, "stem or head is not at its end")
    _hold(sum(isinstance(op, Stem | Head) for op in ops) == 2, after, "there is more than one stem or head")
    layers = [op.layer for op in ops if isinstance(op, TopDownBlock)]
    _hold(layers == list(range(len(layers))), after, "stochastic layers are not numbered in order")
    applied: dict[tuple[str, str], int] = {}
    for index, op in enumerate(ops):
        if isinstance(op, EncoderBlock | TopDownBlock):
            key = (stack_of(op), op.group)
            _hold(op.application == applied.get(key, 0), after, f"operation {index}: application out of order")
            applied[key] = op.application + 1
        if isinstance(op, MixIn):
            wide = op.is_sound and op.source_channels >= op.channels
            _hold(wide, after, f"operation {index} mixes in a state of another shape")
        if isinstance(op, TopDownBlock) and op.reads is not None:
            _hold(0 <= op.reads < index, after, f"operation {index} reads what is not before it")
            read = ops[op.reads]
            if not isinstance(read, Stem | EncoderBlock | Pool):
                raise CompilerBug(f"the bridge is not valid after {after}: operation {index} reads no activation")
            same = output_resolution(read) == op.resolution and read.channels == op.channels
            _hold(same, after, f"operation {index} reads an activation of another shape")


def _hold(condition: bool, after: str, what: str) -> None:
    if not condition:
        raise CompilerBug(f"the bridge is not valid after {after}: {what}")
