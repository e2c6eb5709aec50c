"""What the prior and z add to the state is computed by one convolution."""

from __future__ import annotations

from dataclasses import replace

from hvaedsl.ir.bridge import Bridge, Operation, TopDownBlock
from hvaedsl.ir.cells import cell_kind


def join(bridge: Bridge) -> Bridge:
    """Let the last convolution of the prior to h, and the projection of z, be one convolution of what both read.

    Both are 1x1 and are added: h + W z = [H, W] [u, z], with u the input of the prior's last convolution and H its rows
    that give h. The sum has another order, so that the result is the same to rounding. Only cells whose next state has
    this sum change.
    """
    return replace(bridge, operations=tuple(map(_joined, bridge.operations)))


def _joined(op: Operation) -> Operation:
    if not isinstance(op, TopDownBlock) or not op.draws:
        return op
    kind = cell_kind(op.cell)
    return replace(op, joined=True) if kind is not None and kind.adds_h_and_z else op
