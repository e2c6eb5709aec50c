"""Synchronous processing pairs encoder and decoder blocks, so there are as many of both (HV315)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import EncoderBlock, TopDownBlock, bottleneck_resolution, output_resolution
from hvaedsl.passes.base import Rule, Unit


class UnequalCounts(Diagnostic):
    """HV315."""

    code = "HV315"
    title = "at {resolution} the encoder applies {encoder} and the decoder {decoder}; synchronous processing pairs them"
    label = "{decoder} applications at {resolution} in the decoder"
    help = "make the counts equal (the block of `{resolution}dK` counts here), or leave the processing asynchronous"
    why = (
        "With `processing = synchronous` the k-th application of the decoder at R reads the k-th from the last block "
        "of the encoder at R: without a partner there is nothing to read, and an unread block learns nothing."
    )
    bad = spec(model="width = 16  latent = 4  processing = synchronous", decoder="4x1, 8m4, 8x3")
    good = spec(model="width = 16  latent = 4  processing = synchronous", decoder="4x1, 8m4, 8x2")

    resolution: int
    encoder: int
    decoder: int


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Applications are equal at every resolution that is read; each one where they are not is reported once.

    Where the encoder has no activation at all, another rule says that there is nothing to read.
    """
    model = unit.spec.model
    if model.processing != "synchronous":
        return
    encoder = [op for _, op in unit.bridge.encoder if isinstance(op, EncoderBlock)]
    decoder = [op for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock)]
    applied = Counter(op.resolution for op in encoder)
    drawn = Counter(op.resolution for op in decoder)
    bottleneck = bottleneck_resolution(unit.bridge)
    # Without skip connections one resolution is read, and HV319 says where the decoder never goes there.
    activations = {output_resolution(op) for _, op in unit.bridge.encoder}
    read = set(applied) | (set(drawn) & activations) if model.skips == "all" else {bottleneck} & set(drawn)
    # The decoder's first block there, or the encoder's, where the decoder has none.
    first: dict[int, EncoderBlock | TopDownBlock] = {op.resolution: op for op in reversed(encoder)}
    first |= {op.resolution: op for op in reversed(decoder)}
    for resolution in sorted(read, reverse=True):
        if applied[resolution] != drawn[resolution]:
            span = first[resolution].span
            assert span is not None
            yield UnequalCounts(
                span=span, resolution=resolution, encoder=applied[resolution], decoder=drawn[resolution]
            )


_WALKS = ("model.encoder", "model.encoder.walk", "model.decoder", "model.decoder.walk")
ERRORS = (Rule(check, ("model.processing", "model.skips", *_WALKS)),)
