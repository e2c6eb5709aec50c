"""One set of weights is applied at most 20 times, by one entry or by all that carry a label (HV508)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.advice.many_applications import ManyApplications
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.ir.blocks import Entry
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.sharing import weight_groups

# The most of the paper: Falck, Williams et al. 2022, Figure 5.
MOST = 20


def check(unit: Unit) -> Iterator[Diagnostic]:
    """One finding an entry, one for all the entries whose count is the same constant, and one for each label."""
    by_constant: dict[str, list[Entry]] = {}
    for blocks in (unit.spec.model.encoder, unit.spec.model.decoder):
        for entry in blocks.written():
            if entry.operator != "r" or entry.argument <= MOST or entry.label is not None:
                continue
            assert entry.argument_span is not None
            if entry.argument_span.text.startswith("$"):
                by_constant.setdefault(entry.argument_span.text, []).append(entry)
            else:
                yield _finding([entry])
    for constant, entries in by_constant.items():
        yield _finding(entries, constant)
    for group in unit.analysis(weight_groups):
        if group.name.startswith("@") and len(group.applications) > MOST:
            first = unit.bridge.operations[group.applications[0]]
            assert first.span is not None
            yield ManyApplications(
                span=first.span, resolution=first.resolution, count=len(group.applications), label_name=group.name
            )


def _finding(entries: list[Entry], constant: str = "") -> Diagnostic:
    first = entries[0]
    assert first.span is not None
    return ManyApplications(
        span=first.span,
        resolution=first.resolution,
        count=first.argument,
        constant=constant,
        entries=len(entries),
    )


ADVICE = (Rule(check, ("model.encoder", "model.decoder")),)
