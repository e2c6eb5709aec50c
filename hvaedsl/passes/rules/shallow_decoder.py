"""A decoder is about as deep as its encoder, or deeper (HV507)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.advice.shallow_decoder import ShallowDecoder
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.ir.bridge import EncoderBlock, TopDownBlock
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.gradient import unreached

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
