"""HV509: a repetition is applied only once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.passes.base import Rule, Unit


class SingleRepeat(Diagnostic):
    """HV509."""

    code = "HV509"
    severity = Severity.ADVICE
    title = "`{entry}` is applied once, so its weights are not shared"
    label = "`r` with one application"
    help = "{proposal}"
    why = (
        "`RrN` is one set of weights applied N times; with N = 1 it is the same block as `Rx1`. A reader of `r` looks "
        "for sharing that does not exist, or a digit is missing. A count from a constant (`r$n`) is not reported, nor "
        "is an entry with a label (`r1@g`), which shares its weights."
    )
    rests_on = "Computed here: both spellings give the same bridge, which a test verifies."
    bad = spec(decoder="4r1, 8m4, 8x2")
    good = spec(decoder="4x1, 8m4, 8x2")

    entry: str


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report entries `Rr1` without a label and without a constant for the count."""
    for blocks in (unit.spec.model.encoder, unit.spec.model.decoder):
        for entry in blocks.written_entries():
            if (entry.operator, entry.argument, entry.label) != ("r", 1, None):
                continue
            assert entry.span is not None
            assert entry.argument_span is not None
            if not entry.argument_span.text[0].isdigit():
                continue
            fix = writing(entry.span, f"{entry.resolution}x1", safe=True)  # in a named list, for all of its uses
            yield SingleRepeat(span=replace(entry.span, use=None), entry=entry.span.text, fix=fix)


ADVICE = (Rule(check, ("model.encoder", "model.decoder")),)
