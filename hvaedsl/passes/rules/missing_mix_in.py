"""A decoder that goes up without taking its state along (HV503)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hvaedsl.catalog.advice.missing_mix_in import NoMixIn
from hvaedsl.diagnostic import Diagnostic, Edit, Fix
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.mixing import abandoned_states
from hvaedsl.span import Span

_COPIES = re.compile(r"([0-9]+)(?:x([0-9]+))?")


def check(unit: Unit) -> Iterator[Diagnostic]:
    """The first block at a resolution above an earlier one begins with a mix-in."""
    for found in unit.analysis(abandoned_states):
        op = unit.bridge.operations[found.index]
        assert op.span is not None
        begins = "its learned bias" if op.resolution <= unit.spec.model.bias_up_to else "zeros"
        fix = _beginning(op.span, f"{op.resolution}m{found.before}") if op.resolution % found.before == 0 else None
        yield NoMixIn(span=op.span, resolution=op.resolution, before=found.before, begins=begins, fix=fix)


def _beginning(span: Span, mix_in: str) -> Fix | None:
    """The first of an entry's blocks mixes in: `8x2` becomes `8m4, 8x1`, of as many blocks. It must stand alone."""
    entry = _COPIES.fullmatch(span.text)
    count = int(entry[2] or 1) if entry else 0
    if entry is None or count < 1 or span.before not in ("=", ",") or (count > 1 and span.after == "@"):
        return None
    written = mix_in if count == 1 else f"{mix_in}, {entry[1]}x{count - 1}"
    return Fix(f"write `{written}`", (Edit(span, written),))


ADVICE = (Rule(check, ("model.decoder",)),)
