"""The exceptions: mistakes in a spec, wrong usage, failed runs, and bugs of the compiler."""

from __future__ import annotations

from collections.abc import Sequence

from hvaedsl.diagnostics.diagnostic import Diagnostic


class SpecError(Exception):
    """A spec has errors; `.diagnostics` holds all of them, sorted by place."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(f"{d.span}: {d.code}: {d.message}" for d in self.diagnostics))


class UsageError(Exception):
    """The request cannot be met: a missing file, a missing extra, an invalid option (exit code 2)."""


class CompilerBug(Exception):
    """An invariant of the compiler is violated; never the user's mistake (exit code 3)."""


class RunError(Exception):
    """A training, evaluation or sampling run cannot continue: the reason, and the way out as `help`. Exit codes:

    4: images not found; 5: a run folder that already exists, is incomplete, or belongs to another spec, and failed
    writes (the disk is full, read-only or gone); 6: a missing device, or out of memory on it; 7: training stopped
    because no update was applied.
    """

    def __init__(self, message: str, *, help: str = "", exit_code: int) -> None:  # noqa: A002 - the name that diagnostics use
        self.help = help
        self.exit_code = exit_code
        super().__init__(message)
