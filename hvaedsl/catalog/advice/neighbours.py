"""HV510: neighbours that could be one entry."""

from __future__ import annotations

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic, Severity


class Neighbours(Diagnostic):
    """HV510."""

    code = "HV510"
    severity = Severity.ADVICE
    title = "{count} neighbours at {resolution} could be one entry"
    label = "the same as `{merged}`"
    help = "write `{merged}`"
    why = (
        "Blocks with weights of their own that follow each other at one resolution are one entry, `RxN`: the list "
        "then says how many there are. Entries `RrN` are not joined, since each is a set of weights; nor is what "
        "carries a label, a count from a constant, or a comment between."
    )
    rests_on = "Computed here: both spellings give the same bridge; a test holds them against each other."
    bad = spec(decoder="4x1, 8m4, 8x1, 8x1")
    good = spec(decoder="4x1, 8m4, 8x2")

    resolution: int
    count: int
    merged: str


KINDS = (Neighbours,)
