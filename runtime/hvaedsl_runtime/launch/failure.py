"""An exception as data, for another process or a file."""

from __future__ import annotations

import time
from pathlib import Path
from textwrap import indent
from traceback import format_exception
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hvaedsl.diagnostics.errors import (
    CompilerBug,
    ExitCode,
    HvaedslError,
    ProcessFailed,
    SpecError,
    WriteError,
    error_types,
)
from hvaedsl.diagnostics.printable import printable_lines
from hvaedsl.diagnostics.span import Source
from hvaedsl.diagnostics.streams import print_data
from hvaedsl.report.as_data import NotData, findings_data, findings_of
from hvaedsl_runtime.train.interruption import SIGNALS


class Failure(BaseModel):
    """Why a process failed: the class of the exception, its message, and its other arguments.

    `raised_at` is in seconds since the epoch: among the failures of several processes, the earliest is the cause.
    `traceback` is that of a bug.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str
    message: str
    exit_code: int
    details: dict[str, Any] = Field(default_factory=dict)
    raised_at: float = 0.0
    traceback: str = ""

    @model_validator(mode="before")
    @classmethod
    def _of_the_first_format(cls, data: Any) -> Any:
        """Read a failure of the first format, which had no `kind`."""
        if not isinstance(data, dict) or "kind" in data or "exit_code" not in data:
            return data
        help_ = data.get("help", "")
        if data.get("refused"):
            return {**data, "kind": WriteError.__name__, "details": {"remedy": help_}}
        details = {"help": help_, "status": data["exit_code"]}
        return {**data, "kind": ProcessFailed.__name__, "details": details}

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Describe an exception; one that is not a HvaedslError is a bug."""
        known = error if isinstance(error, HvaedslError) else CompilerBug.of(error)
        is_bug = isinstance(known, CompilerBug)
        return cls(
            kind=type(known).__name__,
            message=str(known),
            exit_code=known.exit_code,
            details=_findings(known) if isinstance(known, SpecError) else known.details,
            raised_at=time.time(),
            traceback=indent("".join(format_exception(error)), "  ") if is_bug else "",
        )

    @property
    def is_bug(self) -> bool:
        """Whether the exception was not meant for the user; another process's failure is then the likelier cause."""
        return self.exit_code == ExitCode.BUG

    @property
    def is_stop(self) -> bool:
        """Whether a signal ended the process."""
        return self.exit_code in (ExitCode.SIGNAL + number for number in SIGNALS)

    @property
    def is_refusal(self) -> bool:
        """Whether the system refused a write."""
        return self.kind == WriteError.__name__

    def say(self) -> None:
        """Print the report on stderr; that of a spec with errors has many lines."""
        print_data(printable_lines(f"error: {self.error().report}"), err=True)

    def error(self) -> HvaedslError:
        """Make the exception again."""
        kinds = {kind.__name__: kind for kind in error_types()}
        kind = kinds.get(self.kind, ProcessFailed)  # a class of another version of hvaedsl
        if kind is SpecError:
            return SpecError(tuple(findings_of(self.details["findings"], _sources(self.details["sources"]))))
        if kind is ProcessFailed:
            help_ = str(self.details.get("help", ""))
            return ProcessFailed(self.message, status=int(self.details.get("status", self.exit_code)), help=help_)
        return kind(self.message, **self.details)


def _findings(error: SpecError) -> dict[str, Any]:
    """Describe the diagnostics and the sources that their spans refer to."""
    sources: list[Source] = []
    for diagnostic in error.diagnostics:
        labels = [diagnostic.span, *(label.span for label in diagnostic.secondary)]
        sources += [span.source for span in labels if all(span.source is not known for known in sources)]

    try:
        findings = findings_data(error.diagnostics, sources)
    except NotData as problem:
        raise CompilerBug(f"a diagnostic cannot cross processes: {problem}") from error

    return {"findings": findings, "sources": [[item.name, item.text, item.path and str(item.path)] for item in sources]}


def _sources(data: list[list[Any]]) -> list[Source]:
    return [Source(name, text, None if path is None else Path(path)) for name, text, path in data]
