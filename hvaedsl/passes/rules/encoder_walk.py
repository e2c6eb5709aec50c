"""The encoder starts at the image, stays where it is, and goes down by pooling alone (HV301-HV304)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.resolutions import EncoderJump, EncoderStart, PoolingDoesNotDivide, PoolingTooSmall
from hvaedsl.diagnostic import Diagnostic, Edit, Fix, inserting
from hvaedsl.ir.bridge import EncoderBlock, Pool
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.span import Span


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
                yield EncoderJump(
                    span=op.span, state=state, resolution=op.resolution, fix=_pooling(op.span, state, op.resolution)
                )
            state = op.resolution
        elif isinstance(op, Pool):
            state = op.to if op.is_sound else None


def _pooling(span: Span, state: int, resolution: int) -> Fix | None:
    """Pool before an entry that stands alone, where a factor leads to it."""
    if resolution > state or state % resolution or span.before not in ("=", ","):
        return None
    entry = f"{state}d{state // resolution}"
    return Fix(f"write `{entry}` before it", (inserting(span.source, span.start, f"{entry}, "),))


def check_poolings(unit: Unit) -> Iterator[Diagnostic]:
    """Poolings lower the resolution, by a factor that divides it."""
    entry: Span | None = None
    for _, op in unit.bridge.encoder:
        if isinstance(op, EncoderBlock):
            entry = op.span
        elif isinstance(op, Pool):
            assert op.span is not None
            assert entry is not None
            if op.factor < 2:
                block = f"{op.resolution}x1"
                fix = Fix(f"write `{block}`", (Edit(entry, block),))
                yield PoolingTooSmall(span=op.span, resolution=op.resolution, factor=op.factor, fix=fix)
            elif not op.is_sound:
                yield PoolingDoesNotDivide(span=op.span, resolution=op.resolution, factor=op.factor)


ERRORS = (
    Rule(check_start, ("data.dataset", "data.resolution", "model.encoder", "model.encoder.walk")),
    Rule(check_walk, ("model.encoder", "model.encoder.walk")),
    Rule(check_poolings, ("model.encoder",)),
)
