"""HV506: an encoder resolution that no decoder block reads."""

from __future__ import annotations

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic, Severity


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


KINDS = (UnreadLevel,)
