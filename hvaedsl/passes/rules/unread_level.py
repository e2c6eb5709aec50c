"""Every resolution of the encoder is read by some decoder block (HV506)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.advice.unread_level import UnreadLevel
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.ir.bridge import EncoderBlock, MixIn, TopDownBlock
from hvaedsl.passes.base import Rule, Unit


def check(unit: Unit) -> Iterator[Diagnostic]:
    """One finding for each resolution between those of the decoder; what lies below them is HV501's.

    Without skip connections the bottleneck alone is read, and is meant to be.
    """
    if unit.spec.model.skips == "none":
        return
    read = {op.resolution for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock)}
    jumps = {(op.source, op.resolution) for _, op in unit.bridge.decoder if isinstance(op, MixIn)}
    told: set[int] = set()
    for _, op in unit.bridge.encoder:
        if isinstance(op, EncoderBlock) and op.resolution not in read | told and op.resolution > min(read):
            told.add(op.resolution)
            assert op.span is not None
            below = max(resolution for resolution in read if resolution < op.resolution)
            above = min((resolution for resolution in read if resolution > op.resolution), default=None)
            fits = op.resolution % below == 0 and (below, above) in jumps
            yield UnreadLevel(span=op.span, resolution=op.resolution, below=below, above=above if fits else None)


ADVICE = (
    Rule(
        check,
        ("data.dataset", "data.resolution", "model.skips", "model.encoder", "model.decoder"),
    ),
)
