"""A decoder that goes up without taking its state along (HV503)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.advice.missing_mix_in import NoMixIn
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.mixing import abandoned_states


def check(unit: Unit) -> Iterator[Diagnostic]:
    """The first block at a resolution above an earlier one begins with a mix-in."""
    for found in unit.analysis(abandoned_states):
        op = unit.bridge.operations[found.index]
        assert op.span is not None
        begins = "its learned bias" if op.resolution <= unit.spec.model.bias_up_to else "zeros"
        yield NoMixIn(span=op.span, resolution=op.resolution, before=found.before, begins=begins)


ADVICE = (Rule(check, ("model.decoder",)),)
