"""A decoder that goes up without taking its state along (HV503)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.advice import NoMixIn
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.ir.bridge import MixIn, TopDownBlock
from hvaedsl.passes.base import Rule, Unit


def check(unit: Unit) -> Iterator[Diagnostic]:
    """The first block at a resolution above an earlier one begins with a mix-in."""
    before: int | None = None
    started: set[int] = set()
    for _, op in unit.bridge.decoder:
        if isinstance(op, MixIn):
            started.add(op.resolution)
        elif isinstance(op, TopDownBlock):
            if op.resolution not in started and before is not None and op.resolution > before:
                assert op.span is not None
                learned = op.resolution <= unit.spec.model.bias_up_to
                begins = "its learned bias" if learned else "zeros"
                yield NoMixIn(span=op.span, resolution=op.resolution, before=before, begins=begins)
            started.add(op.resolution)
            before = op.resolution


RULES = (Rule(check, ("model.decoder",)),)
