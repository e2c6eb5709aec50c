"""In the cell `euler_maruyama` the latent is the state, so both have the same number of channels (HV316)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, listing, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import TopDownBlock
from hvaedsl.ir.cells import cell_kind
from hvaedsl.passes.base import Rule, Unit


class LatentIsState(Diagnostic):
    """HV316."""

    code = "HV316"
    title = "`cell = {cell}` needs `latent` equal to the width"
    label = "`latent` is {latent}, the width is {where}"
    help = "{hint}"
    why = (
        "The cell `euler_maruyama` has no projection between z and the state: the next state is z itself, so both have "
        "the same number of channels at every resolution with a decoder block."
    )
    bad = spec(model="width = 16  latent = 4  cell = euler_maruyama")
    good = spec(model="width = 16  latent = 16  cell = euler_maruyama")

    cell: str
    latent: int
    wrong: tuple[tuple[int, int], ...]  # pairs of a resolution and its width, which is not `latent`

    @property
    def where(self) -> str:
        """The widths that differ from `latent`, with their resolutions."""
        at: dict[int, list[str]] = {}
        for resolution, width in self.wrong:
            at.setdefault(width, []).append(str(resolution))
        return ", ".join(f"{width} at {listing(resolutions, 'and')}" for width, resolutions in at.items())

    @property
    def hint(self) -> str:
        """The value of `latent` that fits, if one does."""
        if self.fix is not None:
            return f"{self.proposal}, or use another cell"
        return "give all resolutions of the decoder the same width and set `latent` to it, or use another cell"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report, in one finding, all resolutions of the decoder whose width is not `latent`."""
    model = unit.spec.model
    kind = cell_kind(model.cell)
    if kind is None or not kind.state_is_latent:
        return

    blocks = [op for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock)]
    widths = {op.resolution: op.channels for op in blocks}
    wrong = {resolution: width for resolution, width in widths.items() if width != model.latent}
    if wrong:
        span, fitting = unit.origin("model.latent"), sorted({*widths.values()})
        value = str(fitting[0])
        fix = writing(span, value, shown=f"latent = {value}") if len(fitting) == 1 else None
        yield LatentIsState(
            span=span,
            cell=model.cell,
            latent=model.latent,
            wrong=tuple(wrong.items()),
            fix=fix,
        )


ERRORS = (
    Rule(
        check,
        ("model.cell", "model.latent", "model.width", "model.widths", "model.decoder", "model.decoder.walk"),
    ),
)
