"""HV590, HV591: unused and invalid comments that suppress advice."""

from __future__ import annotations

import re

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.snippet import spec


class UnusedSuppression(Diagnostic):
    """HV590."""

    code = "HV590"
    severity = Severity.ADVICE
    title = "`ignore[{codes}]` suppresses nothing on this line"
    label = "{reason}"
    help = "{hint}"
    why = (
        "An unused comment would hide a finding with that code that a later change introduces on its line. A comment "
        "suppresses advice only, and only on its own line. `lint` looks for such comments in specs without errors."
    )
    rests_on = "Computed here: the line is checked with and without the comment."
    configuration = "checked by `hvaedsl lint` only"
    bad = spec(model="width = 16  latent = 4  # hvae: ignore[HV502] for the sweep")
    good = spec(model="width = 16  latent = 4\n  widths = {2: 32}  # hvae: ignore[HV502] for the sweep")

    unused: tuple[str, ...]
    error: str = ""  # the first of them that is not a code of advice
    kept: tuple[str, ...] = ()  # the other codes of the comment

    @property
    def reason(self) -> str:
        """Why nothing is suppressed."""
        return f"{self.error} is not advice and cannot be suppressed" if self.error else "no such advice on this line"

    @property
    def hint(self) -> str:
        """The comment without the unused codes."""
        return f"write `ignore[{', '.join(self.kept)}]`" if self.kept else "remove the comment"

    @property
    def codes(self) -> str:
        """The unused codes."""
        return ", ".join(self.unused)


class InvalidSuppression(Diagnostic):
    """HV591."""

    code = "HV591"
    severity = Severity.ADVICE
    title = "invalid `hvae: ignore` comment"
    label = "{reason}"
    help = "write `{written}`"
    why = (
        "A comment that suppresses advice has the form `# hvae: ignore[HV502]`: lowercase words, and uppercase codes "
        "in brackets, separated by commas. No comment suppresses all advice. In any other form it is an ordinary "
        "comment, and the advice is reported."
    )
    rests_on = "Computed here: a comment that starts with `hvae: ignore`, in any letter case."
    configuration = "checked by `hvaedsl lint` only"
    bad = spec(model="width = 16  latent = 4  # hvae: ignore HV502")
    good = spec(model="width = 16  latent = 4\n  widths = {2: 32}  # hvae: ignore[HV502]")

    text: str

    @property
    def _named(self) -> list[str]:
        return re.findall(r"\bHV\d{3}\b", self.text, flags=re.IGNORECASE)

    @property
    def reason(self) -> str:
        """The problem with the comment."""
        if not self._named:
            return "no code given"
        if not re.search(r"ignore\[[^\]]*\]", self.text, flags=re.IGNORECASE):
            return "the codes must be in brackets"
        return "codes must be uppercase and separated by commas"

    @property
    def written(self) -> str:
        """The comment with its codes, or an example if there are none."""
        codes = ", ".join(map(str.upper, self._named)) or "HV502"
        return f"# hvae: ignore[{codes}] reason"
