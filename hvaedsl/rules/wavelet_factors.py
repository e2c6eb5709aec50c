"""A wavelet transform changes the resolution by powers of 2 (HV317)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, listing, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import MixIn, Pool
from hvaedsl.ir.pooling import wavelet_of
from hvaedsl.passes.base import Rule, Unit


class WaveletFactor(Diagnostic):
    """HV317."""

    code = "HV317"
    title = "`pooling = {pooling}` needs factors that are powers of 2"
    label = "{fine} to {coarse} is a factor of {factor}"
    help = "{hint}"
    why = (
        "One level of a wavelet transform halves the resolution, so J levels divide it by 2^J. A mix-in embeds the "
        "coarser state by the adjoint of the same transform."
    )
    bad = spec(
        data="dataset = npy  channels = 1  resolution = 12",
        model="width = 16  latent = 4  pooling = wavelet(haar)",
        encoder="12x1, 12d3, 4x1",
        decoder="4x1, 12m4",
    )
    good = spec(
        data="dataset = npy  channels = 1  resolution = 12",
        model="width = 16  latent = 4  pooling = wavelet(haar)",
        encoder="12x1, 12d4, 3x1",
        decoder="3x1, 12m3",
    )

    pooling: str
    fine: int
    coarse: int

    @property
    def factor(self) -> int:
        """The factor between the two resolutions."""
        return self.fine // self.coarse

    @property
    def hint(self) -> str:
        """The factors that fit."""
        fits = [str(2**level) for level in range(1, 11) if self.fine % 2**level == 0]
        if not fits:
            return f"{self.proposal}; {self.fine} is odd"
        return f"divide {self.fine} by {listing(fits)}, or {self.proposal}"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report poolings and mix-ins by another factor, one for each pair of resolutions.

    Those that other checks report are left out.
    """
    pooling = unit.spec.model.pooling
    if wavelet_of(pooling) is None:
        return

    reported: set[tuple[int, int]] = set()
    for op in unit.bridge.operations:
        if not isinstance(op, (Pool, MixIn)) or not op.is_sound:
            continue
        fine, coarse = (op.resolution, op.to) if isinstance(op, Pool) else (op.resolution, op.source)
        factor = fine // coarse
        if factor & (factor - 1) and (fine, coarse) not in reported:
            reported.add((fine, coarse))
            assert op.span is not None
            average = writing(unit.origin("model.pooling"), "average", shown="pooling = average")
            yield WaveletFactor(span=op.span, pooling=pooling, fine=fine, coarse=coarse, suggestions=(average,))


ERRORS = (
    Rule(
        check,
        (
            "data.dataset",
            "data.resolution",
            "model.pooling",
            "model.encoder",
            "model.encoder.walk",
            "model.decoder",
            "model.decoder.walk",
        ),
    ),
)
