"""HV502: values for resolutions that the model never visits."""

from __future__ import annotations

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic, Severity, listing


class UnusedResolution(Diagnostic):
    """HV502."""

    code = "HV502"
    severity = Severity.ADVICE
    title = "`{key}` has a value for {resolutions}, where the model has no block"
    label = "not in use"
    help = "take it out"
    why = "A value for a resolution that the model never visits changes nothing; perhaps another one was meant."
    rests_on = "Computed here, from the resolutions of the bridge."
    bad = spec(model="width = 16  latent = 4  widths = {2: 32}")
    good = spec(model="width = 16  latent = 4  widths = {4: 32}")

    key: str
    unused: tuple[int, ...]

    @property
    def resolutions(self) -> str:
        """The resolutions that are not in use."""
        return listing(map(str, self.unused), "and")


KINDS = (UnusedResolution,)
