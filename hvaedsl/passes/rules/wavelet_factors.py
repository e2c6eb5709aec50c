"""A wavelet transform changes the resolution by powers of 2 (HV317)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.switches import WaveletFactor
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.ir.bridge import MixIn, Pool
from hvaedsl.ir.pooling import wavelet_of
from hvaedsl.passes.base import Rule, Unit


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Every pooling and every mix-in that is sound otherwise; a mix-in back up the same way says nothing new."""
    pooling = unit.spec.model.pooling
    if wavelet_of(pooling) is None:
        return
    told: set[tuple[int, int]] = set()
    for op in unit.bridge.operations:
        if not isinstance(op, Pool | MixIn) or not op.is_sound:
            continue
        fine, coarse = (op.resolution, op.to) if isinstance(op, Pool) else (op.resolution, op.source)
        factor = fine // coarse
        if factor & (factor - 1) and (fine, coarse) not in told:
            told.add((fine, coarse))
            assert op.span is not None
            yield WaveletFactor(span=op.span, pooling=pooling, fine=fine, coarse=coarse)


ERRORS = (
    Rule(
        check,
        (
            "data.dataset",
            "data.resolution",
            "model.pooling",
            "model.encoder",
            "model.encoder.walk",
            "model.decoder",
            "model.decoder.walk",
        ),
    ),
)
