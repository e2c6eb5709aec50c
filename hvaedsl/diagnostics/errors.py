"""The exceptions: a user's mistake carries diagnostics, the machine's obstacles say so, our own bugs are told apart."""

from __future__ import annotations

from collections.abc import Sequence

from hvaedsl.diagnostics.diagnostic import Diagnostic


class SpecError(Exception):
    """A spec has errors; `.diagnostics` holds all of them, in the order of their places."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(f"{d.span}: {d.code}: {d.message}" for d in self.diagnostics))


class UsageError(Exception):
    """What was asked for cannot be had: a missing file, a missing extra, an option that does not fit (exit code 2)."""


class CompilerBug(Exception):
    """An invariant of the compiler does not hold; never the user's mistake (exit code 3)."""


class RunError(Exception):
    """A training, evaluation or sampling run cannot go on: what happened, and the way out. Exit codes from 4.

    4: images not found; 5: a run folder that is in the way, lacks what is needed, or belongs to another spec, and all
    that the system refuses to write (a full disk, one that is read-only or gone);
    6: a device that is not there, or its memory is exhausted; 7: training stopped, because no update was applied.
    """

    def __init__(self, message: str, *, help: str = "", exit_code: int) -> None:  # noqa: A002 - the diagnostics' word
        self.help = help
        self.exit_code = exit_code
        super().__init__(message)
