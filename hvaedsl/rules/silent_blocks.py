"""Latent 0: at least one block draws, and its cell takes it (HV321, HV322)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, Label, listing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import TopDownBlock, bottleneck_resolution, output_resolution
from hvaedsl.ir.cells import CELLS, cell_kind
from hvaedsl.passes.base import Rule, Unit


class NothingDrawn(Diagnostic):
    """HV321."""

    code = "HV321"
    title = "no block of the decoder draws a latent"
    label = "0 at every resolution of the decoder"
    help = "give at least one resolution a latent{such_as}"
    why = (
        "Blocks at a resolution with latent 0 draw nothing and read nothing of the image. A decoder that has no other "
        "blocks gives the same output for every image."
    )
    bad = spec(model="width = 16  latent = {8: 0, 4: 0}")
    good = spec(model="width = 16  latent = {8: 16, 4: 0}", encoder="8x2")

    @property
    def such_as(self) -> str:
        """The entry of one resolution."""
        return f": {self.proposal}" if self.suggestions else ""


class LatentNeeded(Diagnostic):
    """HV322."""

    code = "HV322"
    title = "`cell = {cell}` needs a latent, which is 0 at {where}"
    label = "0 at {where}"
    help = "{hint}"
    why = (
        "A block at a resolution with latent 0 computes its next state from the state alone. The cells that refuse it "
        "make the next state of z: without z there is none."
    )
    bad = spec(model="width = 16  latent = {8: 0, 4: 16}  cell = non_residual")
    good = spec(model="width = 16  latent = {8: 16, 4: 0}  cell = {8: non_residual, 4: vdvae}", encoder="8x2")

    cell: str
    resolutions: tuple[int, ...]  # the lowest first, as in the decoder
    taking: tuple[str, ...]  # the cells that take latent 0

    @property
    def where(self) -> str:
        """The resolutions."""
        return listing(map(str, self.resolutions), "and")

    @property
    def hint(self) -> str:
        """A latent, or another cell."""
        latent = self.proposal or f"give {self.where} a latent"
        return f"{latent}, or use the cell {listing(self.taking)} there"


_EXAMPLE = 16


def check_drawn(unit: Unit) -> Iterator[Diagnostic]:
    """Report a decoder whose blocks all have latent 0."""
    blocks = [op for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock)]
    if blocks and not any(op.draws for op in blocks):
        first = min(blocks, key=lambda op: op.resolution != bottleneck_resolution(unit.bridge))
        yield NothingDrawn(span=unit.origin("model.latent"), suggestions=_drawing(unit, first))


def check_cells(unit: Unit) -> Iterator[Diagnostic]:
    """Report each cell that needs a latent, with all resolutions where it is 0; custom cells say so when imported."""
    found: dict[str, dict[int, TopDownBlock]] = {}
    for _, op in unit.bridge.decoder:
        if isinstance(op, TopDownBlock) and not op.draws:
            kind = cell_kind(op.cell)
            if kind is not None and kind.without_latent is None:
                found.setdefault(op.cell, {})[op.resolution] = op

    for cell, blocks in found.items():
        first = next(iter(blocks))
        written = unit.origins.get("model.cell")
        ways = _drawing(unit, blocks[first]) if len(blocks) == 1 else ()
        yield LatentNeeded(
            span=unit.origin_at("model.latent", first),
            cell=cell,
            resolutions=tuple(blocks),
            taking=tuple(name for name, kind in CELLS.items() if kind.without_latent is not None),
            secondary=(Label(unit.origin_at("model.cell", first), "the cell"),) if written is not None else (),
            suggestions=ways,
        )


def _drawing(unit: Unit, block: TopDownBlock) -> tuple[Fix, ...]:
    """The suggestion of a latent at the resolution of a block; none if the encoder has nothing to read there."""
    bottleneck = bottleneck_resolution(unit.bridge)
    read = {output_resolution(op) for _, op in unit.bridge.encoder} if unit.spec.model.skips == "all" else {bottleneck}
    kind = cell_kind(block.cell)
    latent = block.channels if kind is not None and kind.state_is_latent else _EXAMPLE  # there z is the state
    way = unit.drawing_at(block.resolution, latent) if block.resolution in read else None
    return (way,) if way is not None else ()


_NEEDS = ("model.latent", "model.decoder")
ERRORS = (
    Rule(check_drawn, _NEEDS, ("model.latent",)),
    Rule(check_cells, (*_NEEDS, "model.cell")),
)
