"""HV590: comments that silence nothing."""

from __future__ import annotations

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic, Severity


class UnusedSuppression(Diagnostic):
    """HV590."""

    code = "HV590"
    severity = Severity.ADVICE
    title = "nothing on this line is silenced by ignore[{codes}]"
    label = "{reason}"
    help = "{hint}"
    why = (
        "A comment that silences nothing would hide a finding of that code that a later change brings to its line. It "
        "works on its own line alone, and on advice alone. `lint` looks for such comments in specs without errors."
    )
    rests_on = "Computed here: the same line is looked at with the comment and without."
    configuration = "asked by `hvaedsl lint` alone"
    bad = spec(model="width = 16  latent = 4  # hvae: ignore[HV502] for the sweep")
    good = spec(model="width = 16  latent = 4\n  widths = {2: 32}  # hvae: ignore[HV502] for the sweep")

    unused: tuple[str, ...]
    reason: str
    hint: str

    @property
    def codes(self) -> str:
        """The codes that silence nothing."""
        return ", ".join(self.unused)


KINDS: tuple[type[Diagnostic], ...] = (UnusedSuppression,)
