"""HV505: Fourier features of a binary image."""

from __future__ import annotations

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic, Severity


class ConstantFeatures(Diagnostic):
    """HV505."""

    code = "HV505"
    severity = Severity.ADVICE
    title = "the Fourier features of a binary image are constant"
    label = "sin is 0 and cos is 1 or -1 at every pixel"
    help = "take `image` out, or take an exponent below 0"
    why = "A binary pixel is -1 or 1, where sin(2^n pi x) and cos(2^n pi x) take one value each for every n from 0."
    rests_on = "Computed here: sin(n pi) is 0, and cos(n pi) is 1 or -1."
    bad = spec(model="width = 16  latent = 4  likelihood = bernoulli  fourier { at = image }")
    good = spec(model="width = 16  latent = 4  likelihood = bernoulli  fourier { at = sample }")


KINDS = (ConstantFeatures,)
