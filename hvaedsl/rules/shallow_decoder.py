"""A decoder is about as deep as its encoder, or deeper (HV507)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import EncoderBlock, TopDownBlock
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.gradient import unreached


class ShallowDecoder(Diagnostic):
    """HV507."""

    code = "HV507"
    severity = Severity.ADVICE
    title = "the decoder applies {decoder} blocks, the encoder {encoder}"
    label = "less than half as deep as the encoder"
    help = "move blocks from the encoder to the decoder; published decoders are as deep, or up to twice as deep"
    why = (
        "Every decoder block draws a latent and refines the image; an encoder block only prepares what the posterior "
        "reads. Very deep VAEs put their blocks into the decoder, and gain with its stochastic depth. Blocks that "
        "nothing reads (HV501) are not counted, nor is an encoder below ten blocks called deep."
    )
    rests_on = (
        "Child 2021, on stochastic depth. Blocks counted here from Falck, Williams et al. 2022, Table G.6, and "
        "openai/vdvae, hps.py: 43 in the decoder to 33 in the encoder (CIFAR-10), 78 to 48 (ImageNet 32), 75 to 65 "
        "(ImageNet 64), 66 to 67 (FFHQ 256). The threshold of a half is chosen here."
    )
    bad = spec(encoder="8x8, 8d2, 4x4", decoder="4x2, 8m4, 8x2")
    good = spec(encoder="8x4, 8d2, 4x2", decoder="4x4, 8m4, 8x5")

    decoder: int
    encoder: int


# Below so many blocks an encoder is not deep, and the proportion says nothing.
DEEP = 10


def check(unit: Unit) -> Iterator[Diagnostic]:
    """The decoder applies at least half as many blocks as the encoder; what nothing reads is not counted."""
    dead = unit.analysis(unreached).encoder_groups
    encoder = sum(isinstance(op, EncoderBlock) and op.group not in dead for _, op in unit.bridge.encoder)
    decoder = sum(isinstance(op, TopDownBlock) for _, op in unit.bridge.decoder)
    if encoder >= DEEP and 2 * decoder < encoder:
        yield ShallowDecoder(span=unit.origin("model.decoder"), decoder=decoder, encoder=encoder)


ADVICE = (Rule(check, ("data.dataset", "data.resolution", "model.encoder", "model.decoder")),)
