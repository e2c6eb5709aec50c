"""Every resolution of the encoder is read by some decoder block (HV506)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import EncoderBlock, MixIn, TopDownBlock
from hvaedsl.passes.base import Rule, Unit


class UnreadLevel(Diagnostic):
    """HV506."""

    code = "HV506"
    severity = Severity.ADVICE
    title = "no decoder block reads the encoder at {resolution}"
    label = "the decoder has no block at {resolution}"
    help = "{hint}"
    why = (
        "A decoder block reads the encoder's activation at its own resolution. Of a resolution that the decoder "
        "leaves out only what is pooled below it is read: its skip connection is missing, and no latent is drawn "
        "there. Where nothing at all is read from there downwards, HV501 says so."
    )
    rests_on = (
        "Falck, Williams et al. 2022, section 3: both passes walk the same hierarchy of resolutions. All published "
        "models of the paper and of openai/vdvae (hps.py) read every one."
    )
    bad = spec(encoder="8x2, 8d2, 4x1, 4d2, 2x1", decoder="2x1, 8m2, 8x2")
    good = spec(encoder="8x2, 8d2, 4x1, 4d2, 2x1", decoder="2x1, 4m2, 8m4, 8x2")

    resolution: int
    below: int
    above: int | None  # None where the decoder does not go from `below` over this resolution by a mix-in

    @property
    def hint(self) -> str:
        """What to write in the decoder."""
        if self.above is None:
            return f"give the decoder a block there, such as `{self.resolution}m{self.below}`"
        return f"write `{self.resolution}m{self.below}, {self.above}m{self.resolution}` for `{self.above}m{self.below}`"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """One finding for each resolution between those of the decoder; what lies below them is HV501's.

    Without skip connections the bottleneck alone is read, and is meant to be.
    """
    if unit.spec.model.skips == "none":
        return
    read = {op.resolution for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock)}
    jumps = {(op.source, op.resolution) for _, op in unit.bridge.decoder if isinstance(op, MixIn)}
    told: set[int] = set()
    for _, op in unit.bridge.encoder:
        if isinstance(op, EncoderBlock) and op.resolution not in read | told and op.resolution > min(read):
            told.add(op.resolution)
            assert op.span is not None
            below = max(resolution for resolution in read if resolution < op.resolution)
            above = min((resolution for resolution in read if resolution > op.resolution), default=None)
            fits = op.resolution % below == 0 and (below, above) in jumps
            yield UnreadLevel(span=op.span, resolution=op.resolution, below=below, above=above if fits else None)


ADVICE = (
    Rule(
        check,
        ("data.dataset", "data.resolution", "model.skips", "model.encoder", "model.decoder"),
    ),
)
