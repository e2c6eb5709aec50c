"""A repetition repeats (HV509)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.advice.single_repeat import SingleRepeat
from hvaedsl.diagnostic import Diagnostic, Edit, Fix
from hvaedsl.passes.base import Rule, Unit


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
