"""One set of weights is applied at most 20 times, by one entry or by all that carry a label (HV508)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
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
        "The time of a step and its activation memory grow with every application, the parameters do not. The paper "
        "applies a block at most 20 times, and nothing published says that more is better; own weights for some of "
        "the applications cost the same time."
    )
    rests_on = "Falck, Williams et al. 2022, Figure 5 and Tables G.4 and G.5 (r from 1 to 20), Table G.6 (at most 12)."
    bad = spec(decoder="4r32, 8m4, 8x2")
    good = spec(decoder="2*4r16, 8m4, 8x2")

    resolution: int
    count: int
    constant: str = ""
    entries: int = 1  # that take their count from the constant
    label_name: str = ""  # `@g`, of the entries that share these weights by it

    @property
    def place(self) -> str:
        """The entry, or what it has in common with others."""
        if self.label_name:
            return f"by all that carries `{self.label_name}`, from here on"
        return f"and in {self.entries - 1} more with `{self.constant}`" if self.entries > 1 else "in this entry"

    @property
    def hint(self) -> str:
        """A way to write it."""
        if self.label_name:
            return f"let `{self.label_name}` be applied at most 20 times, and give the others a label of their own"
        if self.constant:
            return f"let `{self.constant}` be at most 20"
        copies = -(-self.count // 20)
        applications = -(-self.count // copies)
        own = f"{copies}*{self.resolution}r{applications}"
        return f"write at most `{self.resolution}r20`, or own weights for some of them: `{own}`"


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
