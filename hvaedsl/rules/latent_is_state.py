"""With the cell `euler_maruyama` the latent is the state, so both have the same channels (HV316)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, listing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import TopDownBlock
from hvaedsl.ir.cells import cell_kind
from hvaedsl.passes.base import Rule, Unit


class LatentIsState(Diagnostic):
    """HV316."""

    code = "HV316"
    title = "with `cell = {cell}` z is the state, but `latent` is {latent} and the width {where}"
    label = "z has {latent} channels"
    help = "{hint}"
    why = (
        "The cell `euler_maruyama` has no projection between z and the state: the next state is z itself, so that both "
        "have the same channels wherever the decoder has a block."
    )
    bad = spec(model="width = 16  latent = 4  cell = euler_maruyama")
    good = spec(model="width = 16  latent = 16  cell = euler_maruyama")

    cell: str
    latent: int
    widths: tuple[tuple[int, int], ...]  # each a resolution and its width
    wrong: tuple[tuple[int, int], ...]  # those whose width is not the latent's

    @property
    def where(self) -> str:
        """The widths that are not the latent's."""
        at: dict[int, list[str]] = {}
        for resolution, width in self.wrong:
            at.setdefault(width, []).append(str(resolution))
        return ", ".join(f"{width} at {listing(resolutions, 'and')}" for width, resolutions in at.items())

    @property
    def hint(self) -> str:
        """The latent that fits, where one does."""
        widths = {width for _, width in self.widths}
        if len(widths) == 1:
            return f"write `latent = {widths.pop()}`, or take another cell"
        return "give every resolution of the decoder the same width, and `latent` that width, or take another cell"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """`latent` is the width at every resolution of the decoder; one finding, with all the widths that differ."""
    model = unit.spec.model
    kind = cell_kind(model.cell)
    if kind is None or not kind.state_is_latent:
        return
    blocks = [op for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock)]
    widths = {op.resolution: op.channels for op in blocks}
    wrong = {resolution: width for resolution, width in widths.items() if width != model.latent}
    if wrong:
        span, fitting = unit.origin("model.latent"), sorted({*widths.values()})
        fix = Fix(f"write `latent = {fitting[0]}`", (Edit(span, str(fitting[0])),)) if len(fitting) == 1 else None
        yield LatentIsState(
            span=span,
            cell=model.cell,
            latent=model.latent,
            widths=tuple(widths.items()),
            wrong=tuple(wrong.items()),
            fix=fix,
        )


ERRORS = (
    Rule(
        check,
        ("model.cell", "model.latent", "model.width", "model.widths", "model.decoder", "model.decoder.walk"),
    ),
)
