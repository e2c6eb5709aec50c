"""Without skip connections the decoder has to begin where the encoder ends (HV319)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.switches import NothingRead
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.ir.bridge import TopDownBlock, bottleneck_resolution
from hvaedsl.passes.base import Rule, Unit


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Some block stands at the encoder's last resolution."""
    if unit.spec.model.skips == "all":
        return
    bottleneck = bottleneck_resolution(unit.bridge)
    blocks = [op for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock)]
    if blocks and all(op.resolution != bottleneck for op in blocks):
        assert blocks[0].span is not None
        yield NothingRead(span=blocks[0].span, bottleneck=bottleneck)


ERRORS = (
    Rule(
        check,
        (
            "data.dataset",
            "data.resolution",
            "model.skips",
            "model.encoder",
            "model.encoder.walk",
            "model.decoder",
            "model.decoder.walk",
        ),
    ),
)
