"""HV508: one set of weights applied very often."""

from __future__ import annotations

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic, Severity


class ManyApplications(Diagnostic):
    """HV508."""

    code = "HV508"
    severity = Severity.ADVICE
    title = "one set of weights is applied {count} times"
    label = "{place}"
    help = "{hint}"
    why = (
        "The time of a step and its activation memory grow with every application, the parameters do not. The paper "
        "applies a block at most 20 times, and nothing published says that more is better; own weights for some of "
        "the applications cost the same time."
    )
    rests_on = "Falck, Williams et al. 2022, Figure 5 and Tables G.4 and G.5 (r from 1 to 20), Table G.6 (at most 12)."
    bad = spec(decoder="4r32, 8m4, 8x2")
    good = spec(decoder="2*4r16, 8m4, 8x2")

    resolution: int
    count: int
    constant: str = ""
    entries: int = 1  # that take their count from the constant
    label_name: str = ""  # `@g`, of the entries that share these weights by it

    @property
    def place(self) -> str:
        """The entry, or what it has in common with others."""
        if self.label_name:
            return f"by all that carries `{self.label_name}`, from here on"
        return f"and in {self.entries - 1} more with `{self.constant}`" if self.entries > 1 else "in this entry"

    @property
    def hint(self) -> str:
        """A way to write it."""
        if self.label_name:
            return f"let `{self.label_name}` be applied at most 20 times, and give the others a label of their own"
        if self.constant:
            return f"let `{self.constant}` be at most 20"
        copies = -(-self.count // 20)
        applications = -(-self.count // copies)
        own = f"{copies}*{self.resolution}r{applications}"
        return f"write at most `{self.resolution}r20`, or own weights for some of them: `{own}`"


KINDS = (ManyApplications,)
