"""Fourier features of a binary image are constant (HV505)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.passes.base import Rule, Unit


class ConstantFeatures(Diagnostic):
    """HV505."""

    code = "HV505"
    severity = Severity.ADVICE
    title = "the Fourier features of a binary image are constant"
    label = "sin is 0 and cos is 1 or -1 at every pixel"
    help = "remove `image`, or use an exponent below 0"
    why = "A binary pixel is -1 or 1. For every n >= 0, sin(2^n pi x) and cos(2^n pi x) are the same for both."
    rests_on = "Computed here: sin(n pi) is 0, and cos(n pi) is 1 or -1."
    bad = spec(model="width = 16  latent = 4  likelihood = bernoulli  fourier { at = image }")
    good = spec(model="width = 16  latent = 4  likelihood = bernoulli  fourier { at = sample }")


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report Fourier features of binarized images if all exponents are at least 0."""
    exponents = unit.spec.model.fourier.exponents_at("image")
    if exponents and min(exponents) >= 0 and unit.spec.data.binarize != "none":
        yield ConstantFeatures(span=unit.origin("model.fourier.at"))


ADVICE = (
    Rule(
        check,
        ("data.dataset", "data.binarize", "model.likelihood", "model.fourier.at", "model.fourier.exponents"),
    ),
)
