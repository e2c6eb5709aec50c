"""Synchronous processing pairs encoder and decoder blocks, so their counts are equal (HV315)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, writing
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import EncoderBlock, TopDownBlock, bottleneck_resolution, output_resolution
from hvaedsl.passes.base import Rule, Unit


class UnequalCounts(Diagnostic):
    """HV315."""

    code = "HV315"
    title = "at {resolution} the encoder applies {encoder_blocks}, the decoder {decoder}"
    label = "synchronous processing needs equal counts"
    help = "change one of them (the block of `{resolution}dK` counts too), or {proposal}"
    why = (
        "With `processing = synchronous` the k-th application of the decoder at R reads the k-th from last block of "
        "the encoder at R. A decoder block without a partner has nothing to read, and an unread block learns nothing."
    )
    bad = spec(model="width = 16  latent = 4  processing = synchronous", decoder="4x1, 8m4, 8x3")
    good = spec(model="width = 16  latent = 4  processing = synchronous", decoder="4x1, 8m4, 8x2")

    resolution: int
    encoder: int
    decoder: int

    @property
    def encoder_blocks(self) -> str:
        """The blocks of the encoder, with their number."""
        return counted(self.encoder, "block")


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report each resolution where the encoder and the decoder apply different numbers of blocks.

    Resolutions without any encoder activation are left to HV305.
    """
    model = unit.spec.model
    if model.processing != "synchronous":
        return

    encoder = [op for _, op in unit.bridge.encoder if isinstance(op, EncoderBlock)]
    blocks = [op for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock)]
    decoder = [op for op in blocks if op.draws]
    drawn = Counter(op.resolution for op in decoder)
    silent = {op.resolution for op in blocks} - set(drawn)  # latent 0: no block is read, and that is meant
    applied = Counter(op.resolution for op in encoder if op.resolution not in silent)

    # Without skip connections only the bottleneck is read; HV319 reports a decoder that has no block there.
    bottleneck = bottleneck_resolution(unit.bridge)
    activations = {output_resolution(op) for _, op in unit.bridge.encoder}
    read = set(applied) | (set(drawn) & activations) if model.skips == "all" else {bottleneck} & set(drawn)

    # A finding points at the decoder's first block there, or at the encoder's if the decoder has none.
    first: dict[int, EncoderBlock | TopDownBlock] = {op.resolution: op for op in reversed(encoder)}
    first |= {op.resolution: op for op in reversed(decoder)}

    free = writing(unit.origin("model.processing"), "asynchronous", shown="processing = asynchronous")
    for resolution in sorted(read, reverse=True):
        if applied[resolution] != drawn[resolution]:
            span = first[resolution].span
            assert span is not None
            yield UnequalCounts(
                span=span,
                resolution=resolution,
                encoder=applied[resolution],
                decoder=drawn[resolution],
                suggestions=(free,),
            )


_WALKS = ("model.encoder", "model.encoder.walk", "model.decoder", "model.decoder.walk")
_COUNTS = ("model.encoder.counts", "model.encoder.resolutions", "model.decoder.counts")
ERRORS = (Rule(check, ("model.processing", "model.skips", "model.latent", *_WALKS, *_COUNTS)),)
