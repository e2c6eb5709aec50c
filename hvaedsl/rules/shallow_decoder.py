"""A decoder is at least about as deep as its encoder (HV507)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import EncoderBlock, TopDownBlock
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.gradient import unreached


class ShallowDecoder(Diagnostic):
    """HV507."""

    code = "HV507"
    severity = Severity.ADVICE
    title = "the decoder applies {decoder_blocks}, the encoder {encoder}"
    label = "less than half as deep as the encoder"
    help = "move blocks from the encoder to the decoder; published decoders are as deep, or up to twice as deep"
    why = (
        "Every decoder block draws a latent and refines the image; an encoder block only computes an input of the "
        "posteriors. Very deep VAEs put their blocks into the decoder, and improve with its stochastic depth. Unread "
        "encoder blocks (HV501) are not counted, and encoders with fewer than ten blocks are not checked."
    )
    rests_on = (
        "Child 2021, on stochastic depth. Blocks counted here from Falck, Williams et al. 2022, Table G.6, and "
        "openai/vdvae, hps.py: 43 in the decoder to 33 in the encoder (CIFAR-10), 78 to 48 (ImageNet 32), 75 to 65 "
        "(ImageNet 64), 66 to 67 (FFHQ 256). The threshold of one half is our choice."
    )
    bad = spec(encoder="8x8, 8d2, 4x4", decoder="4x2, 8m4, 8x2")
    good = spec(encoder="8x4, 8d2, 4x2", decoder="4x4, 8m4, 8x5")

    decoder: int
    encoder: int

    @property
    def decoder_blocks(self) -> str:
        """The blocks of the decoder, with their number."""
        return counted(self.decoder, "block")


# With fewer blocks an encoder is not deep, and the ratio means nothing.
DEEP = 10


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report a decoder with less than half as many blocks as the encoder, unread ones not counted."""
    dead = unit.analysis(unreached).encoder_groups
    encoder = sum(isinstance(op, EncoderBlock) and op.group not in dead for _, op in unit.bridge.encoder)
    decoder = sum(isinstance(op, TopDownBlock) for _, op in unit.bridge.decoder)
    if encoder >= DEEP and 2 * decoder < encoder:
        yield ShallowDecoder(span=unit.origin("model.decoder"), decoder=decoder, encoder=encoder)


ADVICE = (Rule(check, ("data.dataset", "data.resolution", "model.encoder", "model.decoder")),)
