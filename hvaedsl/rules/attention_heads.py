"""The heads of self-attention divide its channels (HV324)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, listing, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.diagnostics.span import Span
from hvaedsl.ir.bridge import EncoderBlock, TopDownBlock
from hvaedsl.ir.divisors import divisors
from hvaedsl.ir.residual_blocks import given_heads
from hvaedsl.passes.base import Rule, Unit

_SHOWN = 12  # numbers of heads that a message names
_WRITTEN = re.compile(r"\(\s*heads\s*=\s*([0-9][0-9_]*)\s*\)")


class HeadsDoNotDivide(Diagnostic):
    """HV324."""

    code = "HV324"
    title = "`heads` is {heads}, which does not divide the {channels} channels at {where}"
    label = "{channels} / {heads} is {exact:.4g}"
    help = "{hint}"
    why = (
        "Each head of self-attention has an equal share of the channels. One value for several resolutions, which may "
        "have widths of their own, must divide the channels at all of them; a map gives resolutions heads of their own."
    )
    bad = spec(model="width = 16  latent = 4  block = attention(heads = 3)")
    good = spec(model="width = 16  latent = 4  block = attention(heads = 4)")

    heads: int
    channels: int  # at the first of the resolutions where they are not divided
    resolutions: tuple[int, ...]
    fitting: tuple[int, ...]  # the numbers of heads that fit at all resolutions of this value, the nearest first

    @property
    def where(self) -> str:
        """The resolutions with this number of channels."""
        return listing(map(str, self.resolutions), "and")

    @property
    def exact(self) -> float:
        """Channels of a head."""
        return self.channels / self.heads

    @property
    def hint(self) -> str:
        """The numbers of heads that fit."""
        named = listing((str(count) for count in sorted(self.fitting[:_SHOWN])), "or")
        return f"make it {named}" + (", or another divisor of the channels" if len(self.fitting) > _SHOWN else "")


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report each value of `model.block` whose heads do not divide the channels where it is used."""
    found: dict[tuple[Span, int], dict[int, int]] = {}  # channels by resolution
    for op in unit.bridge.operations:
        if isinstance(op, (EncoderBlock, TopDownBlock)) and (heads := given_heads(op.block)) is not None:
            span = unit.origin_at("model.block", op.resolution)
            found.setdefault((span, heads), {})[op.resolution] = op.channels

    for (span, heads), channels in found.items():
        wrong = [count for count in channels.values() if count % heads]
        if wrong:
            at = tuple(resolution for resolution, count in channels.items() if count == wrong[0])
            place, fitting = _number(span), _fitting(math.gcd(*channels.values()), heads)
            ways = tuple(writing(place, str(count)) for count in fitting[:2]) if place is not None else ()
            yield HeadsDoNotDivide(
                span=place or span,
                heads=heads,
                channels=wrong[0],
                resolutions=at,
                fitting=fitting,
                suggestions=ways,
            )


def _number(span: Span) -> Span | None:
    """The place of the number of heads in a value or an entry; None if it is no plain number."""
    written = _WRITTEN.search(span.text)
    return None if written is None else span.source.span(span.start + written.start(1), span.start + written.end(1))


def _fitting(channels: int, heads: int) -> tuple[int, ...]:
    """The divisors of a number of channels, those nearest to `heads` first."""
    return tuple(sorted(divisors(channels), key=lambda found: (abs(found - heads), found)))


ERRORS = (
    Rule(
        check,
        (
            "model.block",
            "model.width",
            "model.widths",
            "model.cell",
            *("model.encoder", "model.encoder.walk", "model.decoder", "model.decoder.walk"),
        ),
    ),
)
