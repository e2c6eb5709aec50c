"""Fourier features stand where a convolution reads them (HV318), and say something there (HV505)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.advice import ConstantFeatures
from hvaedsl.catalog.switches import NoPlaceForFeatures
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.ir.cells import parts_of
from hvaedsl.passes.base import Rule, Unit


def check_projection(unit: Unit) -> Iterator[Diagnostic]:
    """A cell without a projection of z takes no features of it."""
    model = unit.spec.model
    parts = parts_of(model.cell)
    if model.fourier.exponents_at("sample") and parts is not None and parts.entry is None:
        yield NoPlaceForFeatures(span=unit.origin("model.fourier.at"), cell=model.cell)


def check_binary_images(unit: Unit) -> Iterator[Diagnostic]:
    """Of a pixel that is -1 or 1, sin(2^n pi x) and cos(2^n pi x) are the same for every whole n from 0."""
    exponents = unit.spec.model.fourier.exponents_at("image")
    if exponents and min(exponents) >= 0 and unit.spec.data.binarize != "none":
        yield ConstantFeatures(span=unit.origin("model.fourier.at"))


RULES = (Rule(check_projection, ("model.cell", "model.fourier.at", "model.fourier.exponents")),)
ADVICE = (
    Rule(
        check_binary_images,
        ("data.dataset", "data.binarize", "model.likelihood", "model.fourier.at", "model.fourier.exponents"),
    ),
)
