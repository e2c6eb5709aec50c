"""HV510: adjacent blocks of one resolution could be one entry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.blocks import Entry, Repeat
from hvaedsl.passes.base import Rule, Unit


class AdjacentEntries(Diagnostic):
    """HV510."""

    code = "HV510"
    severity = Severity.ADVICE
    title = "{count} adjacent entries at {resolution} could be one"
    label = "the same as `{merged}`"
    help = "{proposal}"
    why = (
        "Adjacent blocks with separate weights at one resolution are one entry, `RxN`, which shows how many there are. "
        "Entries `RrN` are not joined, since each is one set of weights; nor are entries with a label, with a count "
        "from a constant, or with a comment between them."
    )
    rests_on = "Computed here: both spellings give the same bridge, which a test verifies."
    bad = spec(decoder="4x1, 8m4, 8x1, 8x1")
    good = spec(decoder="4x1, 8m4, 8x2")

    resolution: int
    count: int
    merged: str


_BETWEEN = re.compile(r"\s*,\s*")


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report each run of adjacent entries `RxN`."""
    for blocks in (unit.spec.model.encoder, unit.spec.model.decoder):
        for sequence in blocks.sequences():
            for run in _runs(sequence):
                if len(run) > 1:
                    yield _finding(run)


def _finding(run: list[Entry]) -> Diagnostic:
    first, last, merged = run[0].span, run[-1].span, f"{run[0].resolution}x{sum(entry.argument for entry in run)}"
    assert first is not None
    assert last is not None
    fix = writing(first.to(last), merged, safe=True)
    return AdjacentEntries(
        span=replace(first.to(last), use=None), resolution=run[0].resolution, count=len(run), merged=merged, fix=fix
    )


def _runs(sequence: tuple[Entry | Repeat, ...]) -> Iterator[list[Entry]]:
    run: list[Entry] = []
    for item in sequence:
        if not isinstance(item, Entry) or not _is_plain(item):
            yield run
            run = []
        elif run and _touch(run[-1], item):
            run.append(item)
        else:
            yield run
            run = [item]
    yield run


def _is_plain(entry: Entry) -> bool:
    return entry.operator == "x" and entry.label is None and entry.span is not None and entry.span.text.isalnum()


def _touch(one: Entry, other: Entry) -> bool:
    """Whether two entries have one resolution and only a comma between them: no bracket and no comment."""
    before, after = one.span, other.span
    assert before is not None
    assert after is not None
    if before.source is not after.source or before.use is not after.use:
        return False
    between = before.source.text[before.end : after.start]
    return one.resolution == other.resolution and _BETWEEN.fullmatch(between) is not None


ADVICE = (Rule(check, ("model.encoder", "model.decoder")),)
