"""Fourier features are added only to the input of a convolution (HV318)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.cells import cell_kind
from hvaedsl.passes.base import Rule, Unit


class NoPlaceForFeatures(Diagnostic):
    """HV318."""

    code = "HV318"
    title = "`cell = {cell}` has no projection of z, so z cannot have Fourier features"
    label = "`sample` needs a projection of z"
    help = "remove `sample` from `fourier.at`, or use another cell"
    why = (
        "`sample` adds features to z before the convolution that projects it into the state. A cell whose next state "
        "is z itself has no such convolution."
    )
    bad = spec(model="width = 16  latent = 16  cell = euler_maruyama  fourier { at = sample }")
    good = spec(model="width = 16  latent = 16  cell = euler_maruyama  fourier { at = branches }")

    cell: str


def check_projection(unit: Unit) -> Iterator[Diagnostic]:
    """Report features of z in a cell without a projection of z."""
    if not unit.spec.model.fourier.exponents_at("sample"):
        return
    for cell in unit.spec.model.cells:
        kind = cell_kind(cell)
        if kind is not None and not kind.reads_z:
            yield NoPlaceForFeatures(span=unit.origin("model.fourier.at"), cell=cell)


ERRORS = (Rule(check_projection, ("model.cell", "model.fourier.at", "model.fourier.exponents")),)
