"""Add the measured size of custom parts to the bridge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import Block, Bridge, EncoderBlock, Head, Operation, TopDownBlock
from hvaedsl.ir.custom import Measured
from hvaedsl.ir.fourier import Exponents

# A custom cell with its arguments; equal ones cost the same.
CellShape = tuple[str, tuple[int, int], int, int, int, int, bool]


def cell_shape(op: TopDownBlock) -> CellShape:
    """The cell, the size of the state, channels, mid channels, kernel, latent channels, and whether it draws."""
    return (op.cell, op.size, op.channels, op.mid, op.kernel, op.latent, op.draws)


# A custom residual block with its arguments; the last are the exponents of Fourier features of its input.
BlockShape = tuple[str, tuple[int, int], int, int, int, Exponents]


def block_shape(op: Block) -> BlockShape:
    """The residual block, the size of the state, channels, mid channels, kernel, and the exponents of features."""
    features = op.features if isinstance(op, EncoderBlock) else op.resnet_features
    return (op.block, op.size, op.channels, op.mid, op.kernel, features)


class Attach(Record):
    """Fill in what was measured of blocks and cells, by their shape, and of the likelihood; others stay unchanged."""

    cells: Mapping[CellShape, Measured]
    likelihood: Measured | None
    blocks: Mapping[BlockShape, Measured]

    def run(self, bridge: Bridge) -> Bridge:
        """The bridge with `measured` filled in."""
        return replace(bridge, operations=tuple(map(self._attached, bridge.operations)))

    def _attached(self, op: Operation) -> Operation:
        if isinstance(op, EncoderBlock | TopDownBlock):
            op = replace(op, measured_block=self.blocks.get(block_shape(op), op.measured_block))
        if isinstance(op, TopDownBlock):
            return replace(op, measured=self.cells.get(cell_shape(op), op.measured))
        return replace(op, measured=self.likelihood or op.measured) if isinstance(op, Head) else op
