"""Find the resolutions where the decoder goes up without mixing in the state."""

from __future__ import annotations

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import Bridge, MixIn, TopDownBlock


class Abandoned(Record):
    """The block `index` starts a resolution without a mix-in of the lower resolution `before`."""

    index: int
    before: int


def abandoned_states(bridge: Bridge) -> tuple[Abandoned, ...]:
    """The blocks that start a resolution above that of the block before, without a mix-in."""
    found: list[Abandoned] = []
    before: int | None = None
    started: set[int] = set()
    for index, op in bridge.decoder:
        if isinstance(op, MixIn):
            started.add(op.resolution)
        elif isinstance(op, TopDownBlock):
            if op.resolution not in started and before is not None and op.resolution > before:
                found.append(Abandoned(index, before))
            started.add(op.resolution)
            before = op.resolution
    return tuple(found)
