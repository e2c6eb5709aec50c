"""The exceptions that reach a user, and the only list of exit codes.

An exception class has its exit code; its docstring says what it means. The code that raises one passes the message and
the way out (`help`), never an exit code.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from typing import Any, ClassVar, Self

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.printable import indented

BUG = "a bug in hvaedsl, not in your spec"
REPORT_IT = "please report it, with the output of the same command under HVAEDSL_TRACEBACK=1"


class ExitCode(IntEnum):
    """How a command ended; `meaning` is the row of the documentation."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> ExitCode:
        """Make a member of a code and what it means."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    SUCCESS = 0, "success; `lint` found nothing, `diff` no difference"
    SPEC = 1, "a spec has errors; `lint`, `fmt --check`, `diff`, `check-theory` and `doctor` found something"
    USAGE = 2, "wrong usage, a missing file, or a missing extra"
    BUG = 3, "a bug in hvaedsl"
    DATA = 4, "images that are missing, damaged, or not of the kind that the spec states"
    FILES = (
        5,
        "a run folder, checkpoint or weight file that is in use, missing, damaged, or of another run; a file that "
        "cannot be written, as on a full disk",
    )
    DEVICE = 6, "a device that is missing or out of memory"
    TRAINING = 7, "a training run that diverged, in which no update is applied, that hangs, or that lost a process"
    SIGNAL = 128, "interrupted by signal N (130 by Ctrl-C, 143 by SIGTERM); 141 if the reader of the output exits first"


class HvaedslError(Exception):
    """The base of the exceptions that a command reports as one message. `help` is the way out; it may be empty.

    A class names the arguments that its constructor takes beside the message; they are attributes of the same name.
    """

    exit_code: ClassVar[int]
    arguments: ClassVar[tuple[str, ...]] = ("help",)

    def __init__(self, message: str, *, help: str = "") -> None:
        self.help = help
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy without the constructor, whose arguments are not `args`; a process pool needs it."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]  # not in the stubs

    @property
    def details(self) -> dict[str, Any]:
        """The arguments beside the message, with which the exception can be made again; plain values."""
        return {name: getattr(self, name) for name in self.arguments}

    def reworded(self, message: str, help: str) -> Self:
        """The same error with another message and way out."""
        return type(self)(message, **{**self.details, "help": help})

    @property
    def headline(self) -> str:
        """The message as a command prints it."""
        return str(self)

    @property
    def report(self) -> str:
        """The message and the way out, as a command prints them."""
        return f"{self.headline}\n  help: {self.help}" if self.help else self.headline


class ShownWithoutFrames:
    """Makes a notebook show the report of an exception and no frames, for causes that are not in our code."""

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython shows instead of a traceback."""
        assert isinstance(self, HvaedslError)
        return [f"{type(self).__name__}: {self.report}"]


class SpecError(ShownWithoutFrames, HvaedslError):
    """A spec has errors; `diagnostics` has all of them, in the order of their places."""

    exit_code = ExitCode.SPEC
    # The diagnostics with their source lines, as commands print them. The package above that prints them puts its
    # function here (hvaedsl/program.py).
    full_text: ClassVar[Callable[[Sequence[Diagnostic]], str] | None] = None

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(f"{d.span}: {d.code}: {d.message}" for d in self.diagnostics))

    @property
    def report(self) -> str:
        """The diagnostics, as a command prints them."""
        printed = type(self).full_text
        return f"\n{printed(self.diagnostics)}" if printed is not None else str(self)


class UsageError(ShownWithoutFrames, HvaedslError):
    """A request that cannot be met: a missing file, a missing extra, an option that does not fit."""

    exit_code = ExitCode.USAGE


class CompilerBug(HvaedslError):
    """A bug of our own: a violated invariant or an unexpected exception; never the user's mistake."""

    exit_code = ExitCode.BUG

    def __init__(self, message: str, *, help: str = REPORT_IT) -> None:
        super().__init__(message, help=help)

    @classmethod
    def of(cls, error: Exception) -> CompilerBug:
        """The bug that an unexpected exception is, in one line with the function that raised it."""
        import traceback  # only bugs need it

        last = traceback.extract_tb(error.__traceback__)[-1:]
        where = f" ({last[0].name}, line {last[0].lineno})" if last else ""
        return cls(f"{type(error).__name__}: {indented(error)}{where}")

    @property
    def headline(self) -> str:
        """The message, behind the words that clear the user."""
        return f"{BUG}: {self}"


class RunError(ShownWithoutFrames, HvaedslError):
    """The base of what ends a training, evaluation or sampling run."""


class DataNotFound(RunError):
    """Images, or one of their splits, are not there."""

    exit_code = ExitCode.DATA


class InvalidData(RunError):
    """Images are there, and are damaged or not of the type, shape or range that the spec says."""

    exit_code = ExitCode.DATA


class UnusableImages(InvalidData):
    """Image files that are damaged, or that cannot be converted without a loss that nobody asked for.

    `problems` is the list that the message was made of, for merging; it stays in the process.
    """

    def __init__(self, message: str, *, help: str = "", problems: Any = None) -> None:
        self.problems = problems
        super().__init__(message, help=help)


class PreparedFolderInUse(RunError):
    """The folder that prepared images are to be written into has other content."""

    exit_code = ExitCode.DATA


class RunNotFound(RunError):
    """A folder holds no run, no checkpoint or no sweep."""

    exit_code = ExitCode.FILES


class RunFolderInUse(RunError):
    """A folder that a run, a sweep or a conversion is to write into has content, or another process writes into it."""

    exit_code = ExitCode.FILES


class RunMismatch(RunError):
    """A run or sweep is to be resumed under another spec or other settings."""

    exit_code = ExitCode.FILES


class DamagedRun(RunError):
    """A file of a run folder cannot be read, or is not what its name says."""

    exit_code = ExitCode.FILES


class InvalidWeights(RunError):
    """A weight file cannot be read, or holds something other than weights."""

    exit_code = ExitCode.FILES


class WeightsMismatch(RunError):
    """A weight file holds the weights of another model, or of one trained on other inputs."""

    exit_code = ExitCode.FILES


class OutputExists(RunError):
    """A file to be written exists already."""

    exit_code = ExitCode.FILES


class ExportFailed(RunError):
    """What was exported computes something else than the model; it was not written."""

    exit_code = ExitCode.FILES


class WriteError(RunError):
    """The system refuses to write: the disk is full, read-only or gone.

    `reason` is the system's own word for it; `remedy`, what would allow it, or nothing if that is not known.
    """

    exit_code = ExitCode.FILES
    arguments = ("help", "reason", "remedy")

    def __init__(self, message: str, *, remedy: str, reason: str = "", help: str = "") -> None:
        self.reason = reason or message
        self.remedy = remedy
        super().__init__(message, help=help or remedy)

    def then(self, way_on: str, *, state: str = "") -> WriteError:
        """The same error, with what to do after the remedy; `state` is appended to the message."""
        help_ = f"{self.remedy}, then {way_on}" if self.remedy else way_on
        return WriteError(f"{self}{state}", reason=self.reason, remedy=self.remedy, help=help_)


class DeviceNotFound(RunError):
    """A device that was asked for is not available."""

    exit_code = ExitCode.DEVICE


class OutOfMemory(RunError):
    """A GPU's memory is exhausted."""

    exit_code = ExitCode.DEVICE


class NotCompiled(RunError):
    """torch cannot compile the blocks of a model."""

    exit_code = ExitCode.DEVICE


class NoUpdate(RunError):
    """Training applied no update, in many consecutive steps or in all of them."""

    exit_code = ExitCode.TRAINING


class Diverged(RunError):
    """The weights of a run, or its likelihood at the end, are not finite."""

    exit_code = ExitCode.TRAINING


class ProcessLost(RunError):
    """Another process of a run has ended, for a reason that it reports itself."""

    exit_code = ExitCode.TRAINING


class Hung(RunError):
    """A process of a run made no progress for so long that it was ended."""

    exit_code = ExitCode.TRAINING


class Stopped(RunError):
    """A signal ended a run."""

    arguments = ("help", "signal")

    def __init__(self, message: str, *, signal: int, help: str = "") -> None:
        self.signal = int(signal)
        super().__init__(message, help=help)

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # a function of the signal
        """128 + the signal's number, as shells say it."""
        return ExitCode.SIGNAL + self.signal


class ProcessFailed(RunError):
    """A process of a run ended without a reason that it could give; `status` is its exit status, -N after signal N."""

    arguments = ("help", "status")

    def __init__(self, message: str, *, status: int, help: str = "") -> None:
        self.status = status
        super().__init__(message, help=help)

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # a function of the status
        """The process's, 128 + N after signal N."""
        return self.status if self.status >= 0 else ExitCode.SIGNAL - self.status


class RunsFailed(RunError):
    """Some runs of a sweep failed; it ends as the first of them did."""

    arguments = ("help", "first")

    def __init__(self, message: str, *, first: int, help: str = "") -> None:
        self.first = first
        super().__init__(message, help=help)

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # that of a run
        """That of the first run that failed."""
        return self.first


def error_types(base: type[HvaedslError] = HvaedslError) -> Iterator[type[HvaedslError]]:
    """Every class of exception below a base, in the order of their definition."""
    for kind in base.__subclasses__():
        yield kind
        yield from error_types(kind)
