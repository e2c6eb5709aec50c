"""HV108, HV109, HV115 to HV117: limits that no spec reaches, so that no file can exhaust the compiler."""

from __future__ import annotations

from typing import Literal

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec


class FileTooLarge(Diagnostic):
    """HV108."""

    code = "HV108"
    title = "this file has {size:,} bytes; the limit for a spec is {limit:,}"
    help = "check the path; specs of the published models have under 1,000 bytes"
    why = "The size is checked before the file is opened, so that a wrong path costs no time."
    bad = ""  # the test writes a large file
    good = spec()

    size: int
    limit: int


class NestingTooDeep(Diagnostic):
    """HV109."""

    code = "HV109"
    title = "{what} are nested more than {limit} levels deep"
    label = "the first {one} beyond the limit{unread}"
    help = "{hint}"
    why = (
        "Nesting is checked before parsing, so that no input can exhaust the compiler. Each bracket and each operator "
        "of an expression is one level."
    )
    bad = spec(encoder="(" * 65 + "8x2" + ")" * 65 + ", 8d2, 4x1")
    good = spec(encoder="2*(8x1), 8d2, 4x1")

    limit: int
    one: Literal["bracket", "operator", "list"] = "bracket"

    @property
    def what(self) -> str:
        """What is nested."""
        return f"{self.one}s"

    @property
    def unread(self) -> str:
        """What was not read because of it."""
        return "" if self.one == "list" else "; the rest of the file was not read"

    @property
    def hint(self) -> str:
        """The probable cause."""
        if self.one == "bracket":
            return "check for a missing closing bracket"
        return "name a part of the expression with a `let`" if self.one == "operator" else "write some of them out"


class NumberTooLarge(Diagnostic):
    """HV115."""

    code = "HV115"
    title = "this number has {digits} digits; the limit is {limit}"
    label = "too large"
    help = "check for extra digits"
    why = "No quantity of a model needs more digits; the limit keeps arithmetic cheap."
    bad = spec(model="width = 1000000000000000000  latent = 4")
    good = spec()

    digits: int
    limit: int


class TooManyErrors(Diagnostic):
    """HV116."""

    code = "HV116"
    title = "more than {limit} syntax errors; the rest are not shown"
    label = "reading stopped here"
    help = "check that this file is a spec"
    why = "In a file that is not a spec, the first error says enough; hundreds more would bury it."
    bad = "hvae 1\n" + ("width = = " * 10 + "\n") * 11
    good = spec()

    limit: int


class TooManyTokens(Diagnostic):
    """HV117."""

    code = "HV117"
    title = "this file has more than {limit:,} tokens"
    label = "the first token beyond the limit; the file was not read"
    help = "repeat entries with `k*A`, `RxN` and `RrN`"
    why = (
        "The longest published spec has about a hundred tokens (words, numbers and signs). They are counted before "
        "parsing, so that no file can keep the compiler busy."
    )
    bad = ""  # the test writes a long file
    good = spec(encoder="1_000*8x1, 8d2, 4x1", decoder="4x1, 8m4, 8x1000")

    limit: int
