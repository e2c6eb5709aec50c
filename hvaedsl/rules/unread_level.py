"""Every resolution of the encoder is read by a decoder block (HV506)."""

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
        "A decoder block reads the encoder's activation at its own resolution. A resolution that the decoder leaves "
        "out has no skip connection and no latent; only its pooled activations are read, at lower resolutions. If "
        "these are not read either, HV501 reports it instead."
    )
    rests_on = (
        "Falck, Williams et al. 2022, section 3: both passes use the same hierarchy of resolutions. All published "
        "models of the paper and of openai/vdvae (hps.py) read every resolution."
    )
    bad = spec(encoder="8x2, 8d2, 4x1, 4d2, 2x1", decoder="2x1, 8m2, 8x2")
    good = spec(encoder="8x2, 8d2, 4x1, 4d2, 2x1", decoder="2x1, 4m2, 8m4, 8x2")

    resolution: int
    below: int
    above: int | None  # the target of the mix-in from `below` that passes over this resolution, if there is one

    @property
    def hint(self) -> str:
        """The missing decoder entry."""
        if self.above is None:
            return f"add a decoder block there, such as `{self.resolution}m{self.below}`"
        entries = f"{self.resolution}m{self.below}, {self.above}m{self.resolution}"
        return f"write `{entries}` instead of `{self.above}m{self.below}`"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report each unread resolution above the decoder's lowest one; those below it are left to HV501.

    Without skip connections only the bottleneck is read, as intended.
    """
    if unit.spec.model.skips == "none":
        return

    read = {op.resolution for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock)}
    jumps = {(op.source, op.resolution) for _, op in unit.bridge.decoder if isinstance(op, MixIn)}
    reported: set[int] = set()
    for _, op in unit.bridge.encoder:
        if isinstance(op, EncoderBlock) and op.resolution not in read | reported and op.resolution > min(read):
            reported.add(op.resolution)
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
