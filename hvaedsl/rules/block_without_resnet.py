"""HV518: `model.block` has no effect in a decoder whose cells have no residual step, or are custom."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Label, Severity, listing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import TopDownBlock
from hvaedsl.ir.cells import CELLS, cell_kind
from hvaedsl.ir.residual_blocks import DEFAULT_BLOCK
from hvaedsl.passes.base import Rule, Unit


class BlockInEncoderAlone(Diagnostic):
    """HV518."""

    code = "HV518"
    severity = Severity.ADVICE
    title = "`block = {block}` changes nothing in the decoder at {where}: the cell {cell} {lacking}"
    label = "used in the encoder alone"
    help = "the cells with a residual step are {known}"
    why = (
        "`model.block` is the residual block of the encoder and of a cell's residual step. A cell without that step, "
        "and a custom cell, has blocks of its own: at its resolutions, only the blocks of the encoder change."
    )
    rests_on = "chosen here: the posterior and the prior of a cell are no residual blocks."
    bad = spec(model="width = 16  latent = 16  cell = euler_maruyama  block = attention")
    good = spec(model="width = 16  latent = 16  cell = nvae  block = attention")

    block: str
    cell: str
    resolutions: tuple[int, ...]

    @property
    def where(self) -> str:
        """The resolutions."""
        return listing(map(str, self.resolutions), "and")

    @property
    def lacking(self) -> str:
        """Why the cell does not use it."""
        return "has no residual step" if self.cell in CELLS else "is custom"

    @property
    def known(self) -> str:
        """The cells that use it."""
        return listing((name for name, kind in CELLS.items() if kind.has_block), "and")


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report each pair of a block and a cell that does not use it, with all resolutions of the pair."""
    found: dict[tuple[str, str], list[int]] = {}
    for _, op in unit.bridge.decoder:
        if not isinstance(op, TopDownBlock):
            continue
        kind, block = cell_kind(op.cell), unit.spec.model.block_at(op.resolution)
        if block != DEFAULT_BLOCK and (kind is None or not kind.has_block):
            resolutions = found.setdefault((block, op.cell), [])
            resolutions += [op.resolution] * (op.resolution not in resolutions)

    for (block, cell), resolutions in found.items():
        written = unit.origins.get("model.cell")
        yield BlockInEncoderAlone(
            span=unit.origin_at("model.block", resolutions[0]),
            block=block,
            cell=cell,
            resolutions=tuple(resolutions),
            secondary=(Label(unit.origin_at("model.cell", resolutions[0]), "the cell"),) if written is not None else (),
        )


ADVICE = (Rule(check, ("model.block", "model.cell", "model.decoder", "model.decoder.walk")),)
