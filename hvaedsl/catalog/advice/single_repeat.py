"""HV509: a repetition of one."""

from __future__ import annotations

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic, Severity


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


KINDS = (SingleRepeat,)
