"""A repetition repeats (HV509)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Severity
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.passes.base import Rule, Unit


class SingleRepeat(Diagnostic):
    """HV509."""

    code = "HV509"
    severity = Severity.ADVICE
    title = "`{entry}` is applied once, and shares nothing"
    label = "`r` for one application"
    help = "write `{mended}`"
    why = (
        "`RrN` is one set of weights applied N times; of N = 1 it is the block that `Rx1` is. Whoever reads `r` looks "
        "for sharing that is not there, or a digit is missing. A count that a constant gives (`r$n`) is as it should "
        "be, and so is an entry with a label (`r1@g`), which shares its weights."
    )
    rests_on = "Computed here: both spellings give the same bridge; a test holds them against each other."
    bad = spec(decoder="4r1, 8m4, 8x2")
    good = spec(decoder="4x1, 8m4, 8x2")

    entry: str
    mended: str


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Entries `Rr1` as they are written: no constant gives the count, and no label shares the weights."""
    for blocks in (unit.spec.model.encoder, unit.spec.model.decoder):
        for entry in blocks.written():
            if (entry.operator, entry.argument, entry.label) != ("r", 1, None):
                continue
            assert entry.span is not None
            assert entry.argument_span is not None
            if entry.argument_span.text.startswith("$"):
                continue
            mended = f"{entry.resolution}x1"
            fix = Fix(f"write `{mended}`", (Edit(entry.span, mended),), safe=True)
            yield SingleRepeat(span=entry.span, entry=entry.span.text, mended=mended, fix=fix)


ADVICE = (Rule(check, ("model.encoder", "model.decoder")),)
