"""HV301 to HV304: the encoder does not start at the image resolution, or changes it other than by pooling."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hvaedsl.diagnostics.additions import at_start, before_item
from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, listing, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.diagnostics.span import Span
from hvaedsl.ir.bridge import EncoderBlock, Pool, TopDownBlock
from hvaedsl.passes.base import Rule, Unit

_WALK = (
    "An encoder goes down: it starts at the image resolution, each entry has the resolution that the one before it "
    "leaves, and only `d` changes the resolution. openai/vdvae reads the resolution of an encoder entry only for the "
    "width and the kernel of its block, and applies the block at the resolution that the state has, so that it "
    "does not notice a wrong resolution."
)


class EncoderStart(Diagnostic):
    """HV301."""

    code = "HV301"
    title = "the encoder starts at {resolution}, but the images have resolution {image}"
    label = "expected {image}"
    help = "{hint}"
    why = _WALK
    bad = spec(encoder="4x1", decoder="4x1, 8m4, 8x2")
    good = spec()

    resolution: int
    image: int
    exchanged: str = ""  # the copies of a bare resolution, `8*2`, if their count is the resolution of the images

    @property
    def hint(self) -> str:
        """The pooling that leads from the image to the first block, if one factor fits."""
        if self.exchanged:
            return f"`{self.exchanged}` is {self.image} blocks at {self.resolution}; {self.proposal}"
        return f"start with a block at {self.image}{' that pools: ' + self.entry if self.entry else ''}"

    @property
    def entry(self) -> str:
        """The entry that pools, in quotes; empty if none does."""
        return f"`{self.image}d{self.image // self.resolution}`" if self.fix is not None else ""


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
    exchanged: str = ""  # the copies of a bare resolution, `8*2`, if their count is the resolution of the state

    @property
    def hint(self) -> str:
        """The missing pooling, if one factor fits."""
        if self.exchanged:
            return f"`{self.exchanged}` is {self.state} blocks at {self.resolution}; {self.proposal}"
        if self.resolution > self.state:
            return "an encoder never goes up to a higher resolution"
        if self.fix is not None:
            return f"pool before it: `{self.state}d{self.state // self.resolution}`"
        if self.state % self.resolution == 0:
            return "the copies of a repetition end at the resolution at which they start"
        return f"no pooling leads from {self.state} to {self.resolution}, which does not divide it"


class PoolingDoesNotDivide(Diagnostic):
    """HV303."""

    code = "HV303"
    title = "cannot pool resolution {resolution} by {factor}"
    label = "{factor} does not divide {resolution}"
    help = "{hint}"
    why = (
        "Pooling by K reduces K x K pixels to one, so the next resolution is R / K. openai/vdvae rounds R / K down and "
        "drops the last rows and columns, so that pixels at the border are missing from every activation below. It "
        "cannot mix the result back in where the rounded resolution does not divide R: 7 pooled by 2 gives 3."
    )
    bad = spec(encoder="8x2, 8d3, 2x1", decoder="2x1, 8m2, 8x2")
    good = spec(encoder="8x2, 8d4, 2x1", decoder="2x1, 8m2, 8x2")

    resolution: int
    factor: int
    reached: int  # the resolution of the next block, if a factor leads to it; else 0

    @property
    def hint(self) -> str:
        """The factor that leads to the next block, or those that divide the resolution."""
        if self.fix is not None:
            return f"{self.proposal} to reach {self.reached}"
        fits = [str(k) for k in range(2, min(self.resolution, 64) + 1) if self.resolution % k == 0]
        return f"pool by {listing(fits)}" if fits else f"resolution {self.resolution} cannot be pooled"


class PoolingTooSmall(Diagnostic):
    """HV304."""

    code = "HV304"
    title = "pooling by {factor} does not lower the resolution"
    label = "expected at least 2"
    help = "{hint}"
    why = (
        "The K of `RdK` is the factor between two resolutions of the hierarchy. With K = 1 openai/vdvae applies the "
        "block and does not pool, which is `Rx1`; it stops at K = 0."
    )
    bad = spec(encoder="8r2, 8d1, 8d2, 4x1")
    good = spec()

    resolution: int
    factor: int
    reached: int  # the resolution of the next block, if a factor leads to it; else 0

    @property
    def hint(self) -> str:
        """The factor that leads to the next block, or a block without pooling."""
        return f"{self.proposal} {f'to reach {self.reached}' if self.reached else 'for a block without pooling'}"


def check_start(unit: Unit) -> Iterator[Diagnostic]:
    """Report a first block that is not at the image resolution."""
    image = unit.bridge.image_resolution
    first = next((op for _, op in unit.bridge.encoder if isinstance(op, EncoderBlock)), None)
    if first is not None and first.span is not None and first.resolution != image:
        factor, rest = divmod(image, first.resolution)
        exchanged, fix = _exchanged(first.span, image)
        if fix is None and factor > 1 and not rest:
            entry = f"{image}d{factor}"
            fix = Fix(f"start with `{entry}`", (at_start(unit.origin("model.encoder"), entry),))
        yield EncoderStart(span=first.span, resolution=first.resolution, image=image, exchanged=exchanged, fix=fix)


def check_walk(unit: Unit) -> Iterator[Diagnostic]:
    """Report blocks that are not at the resolution of the state before them."""
    # Unknown after a wrong pooling (see check_poolings). `check_start` reports a first block that is elsewhere.
    state: int | None = unit.bridge.image_resolution
    passed: set[int] = set()
    for index, op in unit.bridge.encoder:
        if isinstance(op, Pool):
            state = op.to if op.is_sound else None
        if not isinstance(op, EncoderBlock):
            continue

        # At an entry that was passed before, the copies of a repetition do not fit each other.
        start = op.span.start if op.span is not None else -1
        is_again, exchanged = start in passed, ""
        passed.add(start)
        if state not in (None, op.resolution):
            assert state is not None
            assert op.span is not None
            exchanged, fix = _exchanged(op.span, state)
            if fix is None and not is_again:
                fix = _pooling(op.span, state, op.resolution)
            if index > 1 and not (exchanged and is_again):
                yield EncoderJump(span=op.span, state=state, resolution=op.resolution, exchanged=exchanged, fix=fix)
        if not exchanged:  # which was meant to be at the resolution of the state
            state = op.resolution


def _exchanged(entry: Span, expected: int) -> tuple[str, Fix | None]:
    """`8*2` where `8x2` fits: the copies of a bare resolution as they are written, and the fix; empty for others."""
    count = re.search(r"(?<![\w$.])([0-9]+)\*\Z", entry.source.text[max(0, entry.start - 20) : entry.start])
    if count is None or int(count[1]) != expected or not re.fullmatch(r"[0-9]+|\$\w+", entry.text):
        return "", None
    star = entry.source.span(entry.start - 1, entry.start)
    return count[0] + entry.text, Fix(f"write `{expected}x{entry.text}` for blocks at {expected}", (Edit(star, "x"),))


def _pooling(span: Span, state: int, resolution: int) -> Fix | None:
    """The fix that pools before an entry, or before the repetition that starts with it, if a factor fits."""
    if resolution > state or state % resolution:
        return None

    entry = f"{state}d{state // resolution}"
    return Fix(f"insert `{entry}` before it", (before_item(span, entry),))


def check_poolings(unit: Unit) -> Iterator[Diagnostic]:
    """Report poolings by a factor below 2, or by one that does not divide the resolution."""
    entry: Span | None = None
    operations = [op for _, op in unit.bridge.encoder]
    lowest = min((op.resolution for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock)), default=0)
    for at, op in enumerate(operations):
        if isinstance(op, EncoderBlock):
            entry = op.span
        elif isinstance(op, Pool):
            assert op.span is not None
            assert entry is not None
            following = next((item.resolution for item in operations[at:] if isinstance(item, EncoderBlock)), lowest)
            reaching = _reaching(op.span, op.resolution, following)
            reached = following if reaching is not None else 0
            if op.factor < 2:
                fix = reaching or writing(entry, f"{op.resolution}x1")
                yield PoolingTooSmall(
                    span=op.span, resolution=op.resolution, factor=op.factor, reached=reached, fix=fix
                )
            elif not op.is_sound:
                yield PoolingDoesNotDivide(
                    span=op.span, resolution=op.resolution, factor=op.factor, reached=reached, fix=reaching
                )


def _reaching(factor: Span, resolution: int, following: int) -> Fix | None:
    """The fix that pools to the resolution of the next block, if a factor fits."""
    if not 0 < following < resolution or resolution % following:
        return None
    number = str(resolution // following)
    return writing(factor, number, shown=f"{resolution}d{number}")


# After a wrong start or jump, the encoder may have other resolutions than those that were meant.
_RESOLUTIONS = ("model.encoder.resolutions",)
ERRORS = (
    Rule(check_start, ("data.dataset", "data.resolution", "model.encoder", "model.encoder.walk"), _RESOLUTIONS),
    Rule(check_walk, ("model.encoder", "model.encoder.walk"), _RESOLUTIONS),
    Rule(check_poolings, ("model.encoder",)),
)
