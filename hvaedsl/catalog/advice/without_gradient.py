"""HV501: weights that no loss reaches."""

from __future__ import annotations

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic, Severity


class NoGradient(Diagnostic):
    """HV501."""

    code = "HV501"
    severity = Severity.ADVICE
    title = "{what} can get no gradient"
    label = "{reason}"
    help = "{hint}"
    why = (
        "Parameters that no loss reaches are counted, saved and never trained: an encoder level that no decoder block "
        "reads, or a decoder state that is never handed on. Training freezes them, so that several processes agree."
    )
    rests_on = "Computed here: the bridge is walked backwards from the loss; a test holds the result against autograd."
    bad = spec(decoder="8x2")
    good = spec(decoder="4x1, 8m4, 8x2")

    what: str
    reason: str
    hint: str


KINDS = (NoGradient,)
