"""The convolutions inside a block have at least four channels (HV511)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hvaedsl.diagnostics.additions import after_value
from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Severity, listing, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import EncoderBlock, TopDownBlock
from hvaedsl.ir.kinds import OTHER
from hvaedsl.passes.base import Rule, Unit


class NarrowBottleneck(Diagnostic):
    """HV511."""

    code = "HV511"
    severity = Severity.ADVICE
    title = "the blocks at {where} have {channels} inside"
    label = "int(width * bottleneck) with a bottleneck of {bottleneck:g}"
    help = "{hint}"
    why = (
        "The convolutions inside a block have int(width * bottleneck) channels, at least 1. All computation of the "
        "block passes through them: with one to three channels, its posterior and prior see almost nothing of the "
        "state."
    )
    rests_on = (
        "openai/vdvae, vae.py. The narrowest published block has 4 channels inside (hps.py, ffhq_1024: width 16 at "
        "1024, bottleneck 0.25)."
    )
    bad = spec(model="width = 8  latent = 4")
    good = spec(model="width = 16  latent = 4")

    narrow: tuple[tuple[int, int], ...]  # resolution and channels inside
    bottleneck: float
    least: int  # channels that a block should have

    @property
    def where(self) -> str:
        """The resolutions, the highest first."""
        return listing(map(str, sorted(dict(self.narrow), reverse=True)), "and")

    @property
    def channels(self) -> str:
        """The numbers of channels, with the noun."""
        counts = sorted({channels for _, channels in self.narrow})
        return f"{listing(map(str, counts))} channel{'s' * (counts != [1])}"

    @property
    def hint(self) -> str:
        """A sufficient width or bottleneck."""
        if self.bottleneck < TINY:
            return f"{self.proposal}, as in the published models"
        return " or ".join([f"use a width of at least {math.ceil(self.least / self.bottleneck)}", *self._written])

    @property
    def _written(self) -> list[str]:
        return [self.proposal] if self.suggestions else []


# The channels of the narrowest published block.
LEAST = 4
# No practical width is enough for a smaller bottleneck.
TINY = 1e-4
KEY = "model.bottleneck"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report all narrow resolutions together, at the key that causes them."""
    blocks = [op for op in unit.bridge.operations if isinstance(op, (EncoderBlock, TopDownBlock))]
    narrow = {op.resolution: op.mid for op in blocks if op.mid < LEAST}
    if narrow:
        # The bottleneck causes it if it was changed, otherwise the smallest width.
        model, at = unit.spec.model, min(narrow, key=unit.spec.model.width_at)
        width = unit.origin_at("model.widths", at) if at in model.widths else unit.origin("model.width")
        changed = model.bottleneck != type(model).model_fields["bottleneck"].default
        yield NarrowBottleneck(
            span=unit.origin_at(KEY, at) if changed else width,
            narrow=tuple(narrow.items()),
            bottleneck=model.bottleneck_at(at),
            least=LEAST,
            suggestions=_larger(unit, at),
        )


def _larger(unit: Unit, at: int) -> tuple[Fix, ...]:
    """The bottleneck that is enough for the smallest width, of at most 1."""
    model = unit.spec.model
    width = model.width_at(at)
    if width < LEAST:
        return ()
    enough = math.ceil(100 * LEAST / width) / 100
    value = f"{max(0.25, enough) if model.bottleneck_at(at) < TINY else enough:g}"

    entries = unit.entries(KEY)
    if entries:  # the resolution has its value from an entry of its own, or from `other`
        name = at if at in entries else OTHER
        return (writing(entries[name], f"{name}: {value}"),)
    text = f"bottleneck = {value}"
    written = unit.origins.get(KEY)
    edit = Edit(written, value) if written is not None else after_value(unit.origin("model.width"), text)
    return (Fix(f"write `{text}`", (edit,)),)


ADVICE = (
    Rule(
        check, (KEY, "data.dataset", "data.resolution", "model.width", "model.widths", "model.encoder", "model.decoder")
    ),
)
