"""Where the decoder goes up without taking the state along."""

from __future__ import annotations

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import Bridge, MixIn, TopDownBlock


class Abandoned(Record):
    """The block `index` begins a resolution, and the state of `before`, below it, is not mixed in."""

    index: int
    before: int


def abandoned_states(bridge: Bridge) -> tuple[Abandoned, ...]:
    """Every first block of a resolution above the block before it that does not begin with a mix-in."""
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
