"""HV503: a decoder that goes up without taking its state along."""

from __future__ import annotations

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic, Severity


class NoMixIn(Diagnostic):
    """HV503."""

    code = "HV503"
    severity = Severity.ADVICE
    title = "the decoder goes on at {resolution} without the state of {before}"
    label = "the state is {begins} here"
    help = "begin the resolution with `{resolution}m{before}`"
    why = (
        "Without a mix-in the state of a resolution begins as its learned bias, or as zeros above `bias_up_to`: what "
        "was drawn below reaches the image through nothing, and the last residual step below gets no gradient."
    )
    rests_on = "Child 2021 and openai/vdvae (vae.py): every published decoder begins a resolution with a mix-in."
    bad = spec(decoder="4x1, 8x2")
    good = spec(decoder="4x1, 8m4, 8x2")

    resolution: int
    before: int
    begins: str


KINDS = (NoMixIn,)
