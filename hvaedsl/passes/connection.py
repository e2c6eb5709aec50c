"""Connect each top-down block to the encoder activation that it reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hvaedsl.ir.bridge import (
    Bridge,
    EncoderBlock,
    Operation,
    Pool,
    TopDownBlock,
    bottleneck_resolution,
    output_resolution,
    reading,
)
from hvaedsl.ir.spec import Processing, Skips


def connect(bridge: Bridge, *, processing: Processing, skips: Skips) -> Bridge:
    """Fill in which activation each top-down block reads (Falck, Williams et al. 2022, G.4.5).

    A block without an activation to read stays unconnected, as does one that draws no latent: it has no posterior.

    Asynchronous: every block at R reads the encoder's last activation at R. In the published code the block of a `d`
    entry and its pooling are one step whose output belongs to the lower resolution, so at R the decoder reads the
    input of that step (openai/vdvae, Encoder.forward).

    Synchronous: the k-th application at R that draws reads the output of the k-th from last encoder block at R, before
    pooling; the block of a `d` entry counts at R.

    Without skip connections only the blocks at the encoder's last resolution read an activation.
    """
    operations = tuple(_synchronous(bridge) if processing == "synchronous" else _asynchronous(bridge))
    if skips == "none":
        bottleneck = bottleneck_resolution(bridge)
        operations = tuple(
            reading(op, None) if isinstance(op, TopDownBlock) and op.resolution != bottleneck else op
            for op in operations
        )
    return replace(bridge, operations=operations)


def _asynchronous(bridge: Bridge) -> Iterator[Operation]:
    pooled = {index - 1 for index, op in bridge.encoder if isinstance(op, Pool)}
    last = {output_resolution(op): index for index, op in bridge.encoder if index not in pooled}
    for op in bridge.operations:
        yield reading(op, last.get(op.resolution)) if isinstance(op, TopDownBlock) and op.draws else op


def _synchronous(bridge: Bridge) -> Iterator[Operation]:
    waiting: dict[int, list[int]] = {}
    for index, encoder_op in bridge.encoder:
        if isinstance(encoder_op, EncoderBlock):
            waiting.setdefault(encoder_op.resolution, []).append(index)
    for op in bridge.operations:
        if isinstance(op, TopDownBlock) and op.draws:
            stack = waiting.get(op.resolution)
            yield reading(op, stack.pop() if stack else None)
        else:
            yield op
