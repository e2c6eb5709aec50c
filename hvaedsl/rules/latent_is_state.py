"""In the cell `euler_maruyama` the latent is the state, so both have the same number of channels (HV316)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hvaedsl.diagnostics.diagnostic import Diagnostic, listing, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import TopDownBlock
from hvaedsl.ir.cells import cell_kind
from hvaedsl.passes.base import Rule, Unit


class LatentIsState(Diagnostic):
    """HV316."""

    code = "HV316"
    title = "`cell = {cell}` needs `latent` equal to the width"
    label = "{differing}"
    help = "{hint}"
    why = (
        "The cell `euler_maruyama` has no projection between z and the state: the next state is z itself, so both have "
        "the same number of channels at every resolution with a decoder block."
    )
    bad = spec(model="width = 16  latent = 4  cell = euler_maruyama")
    good = spec(model="width = 16  latent = 16  cell = euler_maruyama")

    cell: str
    wrong: tuple[tuple[int, int, int], ...]  # a resolution, its latent and its width, which differ

    @property
    def differing(self) -> str:
        """The latents and the widths that differ from them, with their resolutions."""
        at: dict[int, dict[int, list[str]]] = {}
        for resolution, latent, width in self.wrong:
            at.setdefault(latent, {}).setdefault(width, []).append(str(resolution))
        return "; ".join(
            f"`latent` is {latent}, the width is "
            + ", ".join(f"{width} at {listing(resolutions, 'and')}" for width, resolutions in widths.items())
            for latent, widths in at.items()
        )

    @property
    def hint(self) -> str:
        """The value of `latent` that fits, if one does."""
        if self.fix is not None:
            return f"{self.proposal}, or use another cell"
        return "give all resolutions of the decoder the same width and set `latent` to it, or use another cell"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report, in one finding, all resolutions of the decoder whose width is not `latent`."""
    model = unit.spec.model
    found: dict[str, dict[int, TopDownBlock]] = {}
    for _, op in unit.bridge.decoder:
        if isinstance(op, TopDownBlock) and op.draws and (kind := cell_kind(op.cell)) and kind.state_is_latent:
            found.setdefault(op.cell, {})[op.resolution] = op

    for cell, blocks in found.items():
        wrong = tuple((at, op.latent, op.channels) for at, op in blocks.items() if op.channels != op.latent)
        if wrong:
            at, _, width = wrong[0]
            entry = unit.entries("model.latent").get(at)
            fix = None
            if entry is not None:
                fix = writing(entry, f"{at}: {width}")
            elif not isinstance(model.latent, Mapping) and len({op.channels for op in blocks.values()}) == 1:
                fix = writing(unit.origin("model.latent"), str(width), shown=f"latent = {width}")
            yield LatentIsState(span=unit.origin_at("model.latent", at), cell=cell, wrong=wrong, fix=fix)


ERRORS = (
    Rule(
        check,
        ("model.cell", "model.latent", "model.width", "model.widths", "model.decoder", "model.decoder.walk"),
    ),
)
