"""HV590, HV591: comments that silence nothing."""

from __future__ import annotations

import re

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.snippet import spec


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


class UnreadSuppression(Diagnostic):
    """HV591."""

    code = "HV591"
    severity = Severity.ADVICE
    title = "this comment is to silence something, and cannot be read"
    label = "{reason}"
    help = "write `# hvae: ignore[{codes}] reason`"
    why = (
        "A comment that silences advice is written `# hvae: ignore[HV502]`: small letters, the codes in capitals "
        "between brackets, commas between them. There is none that silences all advice. Written in any other way it is "
        "a comment like others, and the advice is given."
    )
    rests_on = "Computed here: a comment that begins with `hvae: ignore`, in letters of any size."
    configuration = "asked by `hvaedsl lint` alone"
    bad = spec(model="width = 16  latent = 4  # hvae: ignore HV502")
    good = spec(model="width = 16  latent = 4\n  widths = {2: 32}  # hvae: ignore[HV502]")

    written: str

    @property
    def _named(self) -> list[str]:
        return re.findall(r"\bHV\d{3}\b", self.written, flags=re.IGNORECASE)

    @property
    def reason(self) -> str:
        """What is wrong with it."""
        if not self._named:
            return "it names no code"
        if not re.search(r"ignore\[[^\]]*\]", self.written, flags=re.IGNORECASE):
            return "its codes do not stand between brackets"
        return "codes stand in capitals, with commas between them"

    @property
    def codes(self) -> str:
        """The codes that it names; else an example."""
        return ", ".join(map(str.upper, self._named)) or "HV502"
