"""Fourier features of a binary image say nothing (HV505)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.advice.constant_features import ConstantFeatures
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.passes.base import Rule, Unit


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Of a pixel that is -1 or 1, sin(2^n pi x) and cos(2^n pi x) are the same for every whole n from 0."""
    exponents = unit.spec.model.fourier.exponents_at("image")
    if exponents and min(exponents) >= 0 and unit.spec.data.binarize != "none":
        yield ConstantFeatures(span=unit.origin("model.fourier.at"))


ADVICE = (
    Rule(
        check,
        ("data.dataset", "data.binarize", "model.likelihood", "model.fourier.at", "model.fourier.exponents"),
    ),
)
