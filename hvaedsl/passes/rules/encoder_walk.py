"""The encoder starts at the image, stays where it is, and goes down by pooling alone (HV301-HV304)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.resolutions import EncoderJump, EncoderStart, PoolingDoesNotDivide, PoolingTooSmall
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.ir.bridge import EncoderBlock, Pool
from hvaedsl.passes.base import Rule, Unit


def check_start(unit: Unit) -> Iterator[Diagnostic]:
    """The first block stands at the image resolution."""
    image = unit.bridge.image_resolution
    first = next((op for _, op in unit.bridge.encoder if isinstance(op, EncoderBlock)), None)
    if first is not None and first.span is not None and first.resolution != image:
        yield EncoderStart(span=first.span, resolution=first.resolution, image=image)


def check_walk(unit: Unit) -> Iterator[Diagnostic]:
    """Each block stands where the one before left off."""
    state: int | None = None  # unknown at first (check_start judges it) and after a pooling that check_poolings reports
    for _, op in unit.bridge.encoder:
        if isinstance(op, EncoderBlock):
            if state not in (None, op.resolution):
                assert state is not None
                assert op.span is not None
                yield EncoderJump(span=op.span, state=state, resolution=op.resolution)
            state = op.resolution
        elif isinstance(op, Pool):
            state = op.to if op.is_sound else None


def check_poolings(unit: Unit) -> Iterator[Diagnostic]:
    """Poolings lower the resolution, by a factor that divides it."""
    for _, op in unit.bridge.encoder:
        if isinstance(op, Pool):
            assert op.span is not None
            if op.factor < 2:
                yield PoolingTooSmall(span=op.span, resolution=op.resolution, factor=op.factor)
            elif not op.is_sound:
                yield PoolingDoesNotDivide(span=op.span, resolution=op.resolution, factor=op.factor)


ERRORS = (
    Rule(check_start, ("data.dataset", "data.resolution", "model.encoder", "model.encoder.walk")),
    Rule(check_walk, ("model.encoder", "model.encoder.walk")),
    Rule(check_poolings, ("model.encoder",)),
)
