"""One set of weights is applied at most 20 times, by one entry or by all entries with one label (HV508)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.blocks import Entry
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.sharing import weight_groups


class ManyApplications(Diagnostic):
    """HV508."""

    code = "HV508"
    severity = Severity.ADVICE
    title = "one set of weights is applied {count} times"
    label = "{place}"
    help = "{hint}"
    why = (
        "The time of a step and its activation memory grow with every application; the number of parameters does not. "
        "The paper applies a block at most 20 times, and no published result shows that more is better. Separate "
        "weights for some of the applications take the same time."
    )
    rests_on = "Falck, Williams et al. 2022, Figure 5 and Tables G.4 and G.5 (r from 1 to 20), Table G.6 (at most 12)."
    bad = spec(decoder="4r32, 8m4, 8x2")
    good = spec(decoder="2*4r16, 8m4, 8x2")

    resolution: int
    count: int
    constant: str = ""  # `$n`, if it gives the count
    entries: int = 1  # with the same constant
    label_name: str = ""  # `@g`, if a label shares the weights

    @property
    def place(self) -> str:
        """The entry, or the entries that it is one of."""
        if self.label_name:
            return f"the first entry labeled `{self.label_name}`"
        more = self.entries - 1
        if not more:
            return "in this entry"
        return f"in this entry and {more} more with `{self.constant}`"

    @property
    def hint(self) -> str:
        """How to write it with at most 20 applications."""
        if self.label_name:
            return f"use `{self.label_name}` for at most 20 applications, and another label for the rest"
        if self.constant:
            return f"set `{self.constant}` to at most 20"
        *fewer, several = (way.title.removeprefix("write ") for way in self.suggestions)
        return f"write {f'at most {fewer[0]}, or ' if fewer else ''}several sets of weights: {several}"


# The maximum in the paper: Falck, Williams et al. 2022, Figure 5.
MOST = 20


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report each entry, all entries with one constant together, and each label."""
    fixed = unit.spec.model.processing == "synchronous"
    by_constant: dict[str, list[Entry]] = {}
    for blocks in (unit.spec.model.encoder, unit.spec.model.decoder):
        for entry in blocks.written_entries():
            if entry.operator != "r" or entry.argument <= MOST or entry.label is not None:
                continue
            assert entry.argument_span is not None
            if not entry.argument_span.text[0].isdigit():
                by_constant.setdefault(entry.argument_span.text, []).append(entry)
            else:
                yield _finding([entry], fixed=fixed)
    for constant, entries in by_constant.items():
        yield _finding(entries, constant, fixed=fixed)

    # A label adds up the applications of all its entries.
    for group in unit.analysis(weight_groups):
        if group.name.startswith("@") and len(group.applications) > MOST:
            first = unit.bridge.operations[group.applications[0]]
            assert first.span is not None
            yield ManyApplications(
                span=first.span, resolution=first.resolution, count=len(group.applications), label_name=group.name
            )


def _finding(entries: list[Entry], constant: str = "", *, fixed: bool) -> Diagnostic:
    first = entries[0]
    span, count = first.span, first.argument
    assert span is not None
    # As many applications as before, if the other stack needs equal counts; else about as many.
    copies = -(-count // MOST)
    if fixed:
        copies = next(number for number in range(copies, count + 1) if count % number == 0)
    several = f"{copies}*{first.resolution}r{-(-count // copies)}"
    if span.before == "*":  # a repetition of a repetition has parentheses
        several = f"({several})"
    fewer = () if fixed else (writing(span, f"{first.resolution}r{MOST}"),)
    return ManyApplications(
        span=span,
        resolution=first.resolution,
        count=count,
        constant=constant,
        entries=len(entries),
        suggestions=() if constant else (*fewer, writing(span, several)),
    )


ADVICE = (Rule(check, ("model.encoder", "model.decoder")),)
