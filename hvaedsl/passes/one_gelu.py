"""The GELU of a state is computed once, for the posterior and the prior that read it."""

from __future__ import annotations

from dataclasses import replace

from hvaedsl.ir.bridge import Bridge, Operation, TopDownBlock
from hvaedsl.ir.cells import cell_kind


def one_gelu(bridge: Bridge) -> Bridge:
    """Let posterior and prior of a block read one GELU of the state; that of [x, a] is then made of those of x and a.

    A GELU is taken of each number by itself, so that the result is the same to the bit. Custom cells, blocks without a
    latent, and those whose branches read Fourier features of the state instead, stay as they are.
    """
    return replace(bridge, operations=tuple(map(_with_one, bridge.operations)))


def _with_one(op: Operation) -> Operation:
    if not isinstance(op, TopDownBlock) or not op.draws or op.branch_features or cell_kind(op.cell) is None:
        return op
    return replace(op, one_gelu=True)
