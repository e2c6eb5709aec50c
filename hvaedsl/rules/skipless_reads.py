"""HV319: with `skips = none`, the decoder has no block at the resolution where the encoder ends."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.additions import at_start
from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import TopDownBlock, bottleneck_resolution, output_resolution
from hvaedsl.passes.base import Rule, Unit


class EncoderUnread(Diagnostic):
    """HV319."""

    code = "HV319"
    title = "only blocks at {bottleneck} read the encoder, and the decoder {lacking} there"
    label = "with `skips = none` the posterior sees nothing of the image"
    help = "{hint}"
    why = (
        "With `skips = none` the decoder reads only the encoder's last activation. A decoder that starts above its "
        "resolution has no access to the image."
    )
    bad = spec(model="width = 16  latent = 4  skips = none", decoder="8x2")
    good = spec(model="width = 16  latent = 4  skips = none", decoder="4x1, 8m4, 8x2")

    bottleneck: int
    lacking: str = "has none"

    @property
    def hint(self) -> str:
        """A block that reads the encoder, or skip connections."""
        return self.proposal or f"start the decoder with a block at {self.bottleneck} that draws a latent"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report a decoder without a block that draws at the encoder's last resolution."""
    if unit.spec.model.skips == "all":
        return

    bottleneck = bottleneck_resolution(unit.bridge)
    blocks = [op for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock) and op.draws]
    if blocks and all(op.resolution != bottleneck for op in blocks):
        assert blocks[0].span is not None
        ways: list[Fix] = []
        is_there = any(op.resolution == bottleneck for _, op in unit.bridge.decoder)  # with latent 0
        if is_there and (drawing := unit.drawing_at(bottleneck, blocks[0].latent)):
            ways.append(drawing)
        if not is_there and unit.new_block_draws():
            first = f"{bottleneck}x1"
            ways.append(Fix(f"start the decoder with `{first}`", (at_start(unit.origin("model.decoder"), first),)))
        activations = {output_resolution(op) for _, op in unit.bridge.encoder}
        if activations.issuperset(op.resolution for op in blocks):
            ways.append(writing(unit.origin("model.skips"), "all", shown="skips = all"))
        yield EncoderUnread(
            span=blocks[0].span,
            bottleneck=bottleneck,
            lacking="draws no latent" if is_there else "has none",
            suggestions=tuple(ways),
        )


ERRORS = (
    Rule(
        check,
        (
            "data.dataset",
            "data.resolution",
            "model.skips",
            "model.latent",
            "model.encoder",
            "model.encoder.walk",
            "model.decoder",
            "model.decoder.walk",
        ),
    ),
)
