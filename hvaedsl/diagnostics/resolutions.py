"""HV230: maps by resolution."""

from __future__ import annotations

from hvaedsl.diagnostics.diagnostic import Diagnostic, listing
from hvaedsl.diagnostics.snippet import spec


class NoValueForResolution(Diagnostic):
    """HV230."""

    code = "HV230"
    title = "`{key}` has no value for {resolutions}"
    label = "no entry for {missing_at}, and no `other`"
    help = "{proposal}, or name every resolution"
    why = (
        "A map by resolution needs a value for every resolution that has a block: of the decoder for `latent` and "
        "`cell`, of either stack for `bottleneck`; for `kl.weight`, every resolution where the decoder draws a latent. "
        "`other` is the value of the resolutions that the map does not name."
    )
    bad = spec(model="width = 16  latent = {4: 8}")
    good = spec(model="width = 16  latent = {4: 8, other: 4}")

    key: str
    missing: tuple[int, ...]  # the highest first

    @property
    def missing_at(self) -> str:
        """The resolutions without a value."""
        return listing(map(str, self.missing), "and")

    @property
    def resolutions(self) -> str:
        """The resolutions without a value, with the noun."""
        return f"resolution{'s' * (len(self.missing) > 1)} {self.missing_at}"
