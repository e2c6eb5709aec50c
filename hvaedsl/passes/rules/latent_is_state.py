"""With the cell `euler_maruyama` the latent is the state, so both have the same channels (HV316)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.switches import LatentIsState
from hvaedsl.diagnostic import Diagnostic, Edit, Fix
from hvaedsl.ir.bridge import TopDownBlock
from hvaedsl.ir.cells import parts_of
from hvaedsl.passes.base import Rule, Unit


def check(unit: Unit) -> Iterator[Diagnostic]:
    """`latent` is the width at every resolution of the decoder; one finding, with all the widths that differ."""
    model = unit.spec.model
    parts = parts_of(model.cell)
    if parts is None or not parts.state_is_latent:
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
