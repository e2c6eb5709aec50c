"""Fourier features stand where a convolution reads them (HV318)."""

from __future__ import annotations

from collections.abc import Iterator

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


ERRORS = (Rule(check_projection, ("model.cell", "model.fourier.at", "model.fourier.exponents")),)
