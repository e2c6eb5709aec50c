"""Add the measured size of custom parts to the bridge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import Bridge, Head, Operation, TopDownBlock
from hvaedsl.ir.custom import Measured

# A custom cell with its arguments; equal ones cost the same.
CellShape = tuple[str, tuple[int, int], int, int, int, int, bool]


def cell_shape(op: TopDownBlock) -> CellShape:
    """The cell, the size of the state, channels, mid channels, kernel, latent channels, and whether it draws."""
    return (op.cell, op.size, op.channels, op.mid, op.kernel, op.latent, op.draws)


class Attach(Record):
    """Fill in `measured` of the cells, by their shape, and of the likelihood; others are left unchanged."""

    cells: Mapping[CellShape, Measured]
    likelihood: Measured | None

    def run(self, bridge: Bridge) -> Bridge:
        """The bridge with `measured` filled in."""
        return replace(bridge, operations=tuple(map(self._attached, bridge.operations)))

    def _attached(self, op: Operation) -> Operation:
        if isinstance(op, TopDownBlock):
            return replace(op, measured=self.cells.get(cell_shape(op), op.measured))
        return replace(op, measured=self.likelihood or op.measured) if isinstance(op, Head) else op
