"""Fourier features stand where a convolution reads them (HV318)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.cells import cell_kind
from hvaedsl.passes.base import Rule, Unit


class NoPlaceForFeatures(Diagnostic):
    """HV318."""

    code = "HV318"
    title = "with `cell = {cell}` there is no projection of z that could read Fourier features"
    label = "no such place in this cell"
    help = "take `sample` out of `fourier.at`, or take another cell"
    why = (
        "`sample` adds features to z before the convolution that takes it into the state. In a cell whose next state "
        "is z itself there is none."
    )
    bad = spec(model="width = 16  latent = 16  cell = euler_maruyama  fourier { at = sample }")
    good = spec(model="width = 16  latent = 16  cell = euler_maruyama  fourier { at = branches }")

    cell: str


def check_projection(unit: Unit) -> Iterator[Diagnostic]:
    """A cell without a projection of z takes no features of it."""
    model = unit.spec.model
    kind = cell_kind(model.cell)
    if model.fourier.exponents_at("sample") and kind is not None and not kind.reads_z:
        yield NoPlaceForFeatures(span=unit.origin("model.fourier.at"), cell=model.cell)


ERRORS = (Rule(check_projection, ("model.cell", "model.fourier.at", "model.fourier.exponents")),)
