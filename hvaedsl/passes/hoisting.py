"""What does not change from one application of a block to the next is computed once, before them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hvaedsl.ir.bridge import Bridge, Operation, TopDownBlock
from hvaedsl.ir.cells import cell_kind


def hoist(bridge: Bridge) -> Bridge:
    """Let the first application of a block read an activation for the others too.

    The first convolution of a posterior reads [x, a]; it is the sum of one of x and one of a. That of a is the same in
    all applications with the same weights and activation: the first one computes it (`hoisted=read`), and the others
    take it (`hoisted=again`). The GELU of a is computed once for all blocks that read a. The sum has another order, so
    that the result is the same to rounding.

    Custom cells stay as they are, and so do blocks without a latent, those whose posterior reads Fourier features, and
    those of which an application reads no activation.
    """
    without = {op.group for op in bridge.operations if isinstance(op, TopDownBlock) and not _can_read_before(op)}
    return replace(bridge, operations=tuple(_hoisted(bridge, without)))


def _can_read_before(op: TopDownBlock) -> bool:
    return op.draws and op.reads is not None and not op.branch_features and cell_kind(op.cell) is not None


def _hoisted(bridge: Bridge, without: set[str]) -> Iterator[Operation]:
    known: set[tuple[str, int | None]] = set()
    for op in bridge.operations:
        if not isinstance(op, TopDownBlock) or op.group in without:
            yield op
            continue
        yield replace(op, hoisted="again" if (op.group, op.reads) in known else "read")
        known.add((op.group, op.reads))
