"""Synchronous processing pairs encoder and decoder blocks, so there are as many of both (HV315)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hvaedsl.catalog.switches import UnequalCounts
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.ir.bridge import EncoderBlock, TopDownBlock, bottleneck_resolution
from hvaedsl.passes.base import Rule, Unit


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Applications are equal at every resolution of the decoder; each one where they are not is reported once."""
    if unit.spec.model.processing != "synchronous":
        return
    bottleneck = bottleneck_resolution(unit.bridge)
    encoder = Counter(op.resolution for _, op in unit.bridge.encoder if isinstance(op, EncoderBlock))
    blocks = [op for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock)]
    decoder = Counter(op.resolution for op in blocks)
    for op in blocks:
        resolution = op.resolution
        if unit.spec.model.skips == "none" and resolution != bottleneck:
            continue
        if encoder[resolution] and decoder[resolution] != encoder[resolution]:
            assert op.span is not None
            yield UnequalCounts(
                span=op.span, resolution=resolution, encoder=encoder[resolution], decoder=decoder.pop(resolution)
            )
            encoder[resolution] = 0


_WALKS = ("model.encoder", "model.encoder.walk", "model.decoder", "model.decoder.walk")
ERRORS = (Rule(check, ("model.processing", "model.skips", *_WALKS)),)
