"""Blocks that share weights have the same shapes (HV403)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Label, listing
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import Block, EncoderBlock, TopDownBlock, weight_shape
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.sharing import weight_groups

_LABELS = (
    "`A@g`: all entries labeled g in a stack apply one block, also across resolutions if its shapes are the same: "
    "width, kernel and inner channels, and in the decoder latent and cell."
)


class LabelShapes(Diagnostic):
    """HV403."""

    code = "HV403"
    title = "blocks of different shapes cannot share the weights `@{name}`"
    label = "{shape}"
    help = "use another label, or give the blocks the same {differing}"
    why = _LABELS + " Blocks have 3x3 kernels at resolutions above 2, and 1x1 kernels at 2 and 1."
    bad = spec(encoder="8x1@g, 8d2, 4x1@g", model="width = 16  latent = 4  widths = {4: 32}")
    good = spec(encoder="8x1@g, 8d2, 4x1@g")

    name: str
    shape: str
    differences: tuple[str, ...]  # the names of the shapes that differ

    @property
    def differing(self) -> str:
        """What is not the same. Inner channels follow from the width, unless it is the same."""
        follows = "inner channels" if "width" in self.differences else ""
        return listing((name for name in self.differences if name != follows), "and")


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report each block whose shapes differ from those of the first one with the same label."""
    for group in unit.analysis(weight_groups):
        if not group.name.startswith("@"):
            continue  # all from one entry
        first = _block(unit, group.applications[0])
        shape = weight_shape(first)
        for index in group.applications[1:]:
            other = _block(unit, index)
            if differences := tuple(name for name, value in weight_shape(other).items() if value != shape[name]):
                assert first.span is not None
                assert other.span is not None
                label = Label(first.span, _shape(first, differences))
                yield LabelShapes(
                    span=other.span,
                    name=group.name.removeprefix("@"),
                    shape=_shape(other, differences),
                    differences=differences,
                    secondary=(label,),
                )


def _block(unit: Unit, index: int) -> Block:
    op = unit.bridge.operations[index]
    assert isinstance(op, (EncoderBlock, TopDownBlock))
    return op


def _shape(op: Block, differences: Collection[str]) -> str:
    """Width and kernel, and what else differs."""
    found = [counted(op.channels, "channel"), f"{op.kernel}x{op.kernel} kernels"]
    if "inner channels" in differences and "width" not in differences:
        found.append(f"{op.mid} inner channels")
    found += [
        f"{name} {value}"
        for name, value in weight_shape(op).items()
        if name in {"latent", "cell", "block"} & {*differences}
    ]
    return f"{', '.join(found)} at {op.resolution}"


_LISTS = ("model.encoder", "model.encoder.walk", "model.decoder", "model.decoder.walk")
_SHAPES = ("model.width", "model.widths", "model.bottleneck", "model.latent", "model.cell", "model.block")
ERRORS = (Rule(check, (*_SHAPES, *_LISTS)),)
