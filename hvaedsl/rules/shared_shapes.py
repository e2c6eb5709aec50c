"""Blocks that share weights have the same shapes (HV403)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Label
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import Block, EncoderBlock, TopDownBlock
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.sharing import weight_groups

_LABELS = (
    "`A@g`: all entries labeled g in a stack apply one block, also across resolutions if width and kernel are the same."
)


class LabelShapes(Diagnostic):
    """HV403."""

    code = "HV403"
    title = "blocks of different shapes cannot share the weights `@{name}`"
    label = "{shape}"
    help = "use another label, or give the blocks the same width and kernel"
    why = _LABELS + " Blocks have 3x3 kernels at resolutions above 2, and 1x1 kernels at 2 and 1."
    bad = spec(encoder="8x1@g, 8d2, 4x1@g", model="width = 16  latent = 4  widths = {4: 32}")
    good = spec(encoder="8x1@g, 8d2, 4x1@g")

    name: str
    shape: str


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report each block whose width or kernel differs from that of the first one with the same label."""
    for group in unit.analysis(weight_groups):
        if not group.name.startswith("@"):
            continue  # all from one entry
        first = _block(unit, group.applications[0])
        for index in group.applications[1:]:
            other = _block(unit, index)
            if (other.channels, other.kernel) != (first.channels, first.kernel):
                assert first.span is not None
                assert other.span is not None
                label = Label(first.span, _shape(first))
                name = group.name.removeprefix("@")
                yield LabelShapes(span=other.span, name=name, shape=_shape(other), secondary=(label,))


def _block(unit: Unit, index: int) -> Block:
    op = unit.bridge.operations[index]
    assert isinstance(op, (EncoderBlock, TopDownBlock))
    return op


def _shape(op: Block) -> str:
    return f"{op.channels} channels, {op.kernel}x{op.kernel} kernels at {op.resolution}"


_LISTS = ("model.encoder", "model.encoder.walk", "model.decoder", "model.decoder.walk")
ERRORS = (Rule(check, ("model.width", "model.widths", *_LISTS)),)
