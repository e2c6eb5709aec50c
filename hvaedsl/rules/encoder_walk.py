"""The encoder starts at the image, stays where it is, and goes down by pooling alone (HV301-HV304)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, inserting, listing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.diagnostics.span import Span
from hvaedsl.ir.bridge import EncoderBlock, Pool
from hvaedsl.passes.base import Rule, Unit

_WALK = (
    "An encoder walks down: it starts at the image resolution, each entry stands where the one before it left off, "
    "and only `d` changes the resolution."
)


class EncoderStart(Diagnostic):
    """HV301."""

    code = "HV301"
    title = "the encoder starts at {resolution}, the images have {image}"
    label = "expected {image}"
    help = "begin with a block at {image}, such as `{image}x1`"
    why = _WALK
    bad = spec(encoder="4x1", decoder="4x1, 8m4, 8x2")
    good = spec()

    resolution: int
    image: int


class EncoderJump(Diagnostic):
    """HV302."""

    code = "HV302"
    title = "the encoder jumps from {state} to {resolution}"
    label = "the state has resolution {state} here"
    help = "{hint}"
    why = _WALK
    bad = spec(encoder="8x2, 4x1")
    good = spec(encoder="8x2, 8d2, 4x1")

    state: int
    resolution: int

    @property
    def hint(self) -> str:
        """The pooling that is missing, where one fits."""
        if self.resolution < self.state and self.state % self.resolution == 0:
            return f"pool before it: `{self.state}d{self.state // self.resolution}`"
        return (
            "an encoder never goes up"
            if self.resolution > self.state
            else f"no pooling leads from {self.state} to {self.resolution}"
        )


class PoolingDoesNotDivide(Diagnostic):
    """HV303."""

    code = "HV303"
    title = "pooling by {factor} does not divide the resolution {resolution}"
    label = "{resolution} / {factor} is no whole number"
    help = "{hint}"
    why = "Average pooling by K turns K x K pixels into one; the next resolution is R / K."
    bad = spec(encoder="8x2, 8d3, 2x1", decoder="2x1, 8m2, 8x2")
    good = spec(encoder="8x2, 8d4, 2x1", decoder="2x1, 8m2, 8x2")

    resolution: int
    factor: int

    @property
    def hint(self) -> str:
        """The factors that do divide."""
        fits = [str(k) for k in range(2, min(self.resolution, 64) + 1) if self.resolution % k == 0]
        return f"{self.resolution} is divided by {listing(fits)}" if fits else f"{self.resolution} cannot be pooled"


class PoolingTooSmall(Diagnostic):
    """HV304."""

    code = "HV304"
    title = "pooling by {factor} does not lower the resolution"
    label = "at least 2"
    help = "for one more block at this resolution write `{resolution}x1`"
    why = "The K of `RdK` is the factor between two resolutions of the hierarchy."
    bad = spec(encoder="8r2, 8d1, 8d2, 4x1")
    good = spec()

    resolution: int
    factor: int


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
