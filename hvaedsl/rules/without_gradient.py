"""Weights that receive no gradient (HV501)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from hvaedsl.diagnostics.additions import at_start
from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, Severity, listing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import EncoderBlock, TopDownBlock, bottleneck_resolution
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.gradient import unreached
from hvaedsl.passes.mixing import abandoned_states


class NoGradient(Diagnostic):
    """HV501."""

    code = "HV501"
    severity = Severity.ADVICE
    title = "{what} receives no gradient"
    label = "{reason}"
    help = "{hint}"
    why = (
        "Parameters without a gradient are counted, saved and never trained: an encoder resolution that no decoder "
        "block reads, or a decoder state that nothing uses. Training freezes them, as distributed training requires."
    )
    rests_on = (
        "Computed here: the bridge is traversed backwards from the loss; a test compares the result with autograd."
    )
    bad = spec(decoder="8x2")
    good = spec(decoder="4x1, 8m4, 8x2")

    stack: Literal["encoder", "decoder"]
    resolutions: tuple[int, ...]
    blocks: int = 1  # whole blocks, of the encoder; of the decoder it is the residual step of the last block
    draws: bool = True  # whether that block draws a latent; if not, all of it

    @property
    def what(self) -> str:
        """The weights."""
        levels = listing(map(str, self.resolutions), "and")
        if self.stack == "decoder" and not self.draws:
            return f"what the decoder computes without a latent at {levels}"
        if self.stack == "decoder":
            return f"the residual step of the last block at {levels}"
        return f"the encoder at {levels} ({self.blocks} block{'s' * (self.blocks > 1)})"

    @property
    def reason(self) -> str:
        """Why there is no gradient."""
        return "no decoder block reads the encoder here" if self.stack == "encoder" else "nothing uses its state"

    @property
    def hint(self) -> str:
        """How to use the weights."""
        last = self.resolutions[-1]
        if self.stack == "encoder":
            if self.proposal.startswith("write"):
                return f"{self.proposal}, so that the decoder reads the encoder there, or remove the blocks"
            example = self.proposal.replace("insert", ", such as", 1)
            return f"add a decoder block that reads the encoder{example or ' and draws a latent'}, or remove the blocks"
        return f"mix the state of {last} into a higher resolution"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report the encoder's blocks together, and the decoder's by resolution, except those that HV503 reports."""
    found = unit.analysis(unreached)
    dead = [op for _, op in unit.bridge.encoder if isinstance(op, EncoderBlock) and op.group in found.encoder_groups]
    if dead:
        assert dead[0].span is not None
        resolutions = tuple(dict.fromkeys(op.resolution for op in dead))
        yield NoGradient(
            span=dead[0].span,
            stack="encoder",
            resolutions=resolutions,
            blocks=len(set(found.encoder_groups)),
            suggestions=_reading(unit),
        )

    # HV503 reports the missing mix-in, which is the cause.
    reported = {item.before for item in unit.analysis(abandoned_states)}
    for _, op in unit.bridge.decoder:
        if isinstance(op, TopDownBlock) and op.group in found.decoder_groups and op.resolution not in reported:
            reported.add(op.resolution)
            assert op.span is not None
            yield NoGradient(span=op.span, stack="decoder", resolutions=(op.resolution,), draws=op.draws)


def _reading(unit: Unit) -> tuple[Fix, ...]:
    """The suggestion that makes the decoder read the encoder's last activation: a block there, or its latent."""
    bottleneck = bottleneck_resolution(unit.bridge)
    blocks = [op for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock)]
    if any(op.resolution == bottleneck for op in blocks):
        latent = next(op.latent for op in blocks if op.draws)
        way = unit.drawing_at(bottleneck, latent)
        return (way,) if way is not None else ()
    if not unit.new_block_draws():
        return ()
    block = f"{bottleneck}x1"
    return (Fix(f"insert `{block}`", (at_start(unit.origin("model.decoder"), block),)),)


ADVICE = (Rule(check, ("data.dataset", "data.resolution", "model.latent", "model.encoder", "model.decoder")),)
