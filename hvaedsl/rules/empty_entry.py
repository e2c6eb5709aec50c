"""An entry whose count is the digit 0 has no block (HV515)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.passes.base import Rule, Unit


class EmptyEntry(Diagnostic):
    """HV515."""

    code = "HV515"
    severity = Severity.ADVICE
    title = "`{text}` has no block"
    label = "the count is 0"
    help = "remove it, or write the count that was meant"
    why = (
        "An entry with a count of 0 is left out, as in openai/vdvae (vae.py, parse_layer_string). It has no effect; "
        "perhaps another count was meant, such as `32x10` for `32x0`. A constant that is 0 is not reported: it leaves "
        "out blocks on purpose, as in a sweep over `--let n=0,1,2`."
    )
    rests_on = "Computed here: without the entry, the model and the names of its parameters are the same."
    bad = spec(encoder="8x2, 8x0, 8d2, 4x1")
    good = spec(encoder="8x2, 8d2, 4x1")

    text: str


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report the items of both stacks whose count is the digit 0."""
    items = (*unit.spec.model.encoder.empty, *unit.spec.model.decoder.empty)
    for item in dict.fromkeys(items):  # both stacks may use one list
        if item.span.source is unit.documents[-1].source:  # else it is a finding of the base
            yield EmptyEntry(span=item.span, text=" ".join(item.span.text.split()), fix=item.fix)


ADVICE = (Rule(check, ("model.encoder", "model.decoder")),)
