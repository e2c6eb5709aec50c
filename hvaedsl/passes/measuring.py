"""What has been measured of one's own parts, written into the bridge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import Bridge, Head, Operation, TopDownBlock
from hvaedsl.ir.custom import Measured

# What one's own cell is built with; equal ones cost the same.
CellShape = tuple[int, int, int, int, int]


def cell_shape(op: TopDownBlock) -> CellShape:
    """Resolution, channels, mid channels, kernel and latent channels."""
    return (op.resolution, op.channels, op.mid, op.kernel, op.latent)


class Attach(Record):
    """Fill in `measured`: of the cells by their shape, and of the likelihood. What is not given stays as it is."""

    cells: Mapping[CellShape, Measured]
    likelihood: Measured | None

    def run(self, bridge: Bridge) -> Bridge:
        """The bridge with what was measured."""
        return replace(bridge, operations=tuple(map(self._attached, bridge.operations)))

    def _attached(self, op: Operation) -> Operation:
        if isinstance(op, TopDownBlock):
            return replace(op, measured=self.cells.get(cell_shape(op), op.measured))
        return replace(op, measured=self.likelihood or op.measured) if isinstance(op, Head) else op
