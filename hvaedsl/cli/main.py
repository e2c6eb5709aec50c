"""`hvaedsl`: the command line, and the only place where exceptions become messages and exit codes."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import signal
import sys
import textwrap
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from hvaedsl.cli.command_table import CommandGroup
from hvaedsl.cli.completion import program_of_scripts, whole_words_in_bash
from hvaedsl.diagnostics.errors import CompilerBug, ExitCode, HvaedslError, SpecError, UsageError, WriteError
from hvaedsl.diagnostics.refusals import FULL, TOO_MANY_FILES, refused
from hvaedsl.diagnostics.streams import prepare_streams, print_data

# Allocations between two garbage collections, instead of 700: the objects of imports and of the compiler stay alive,
# and traversing them repeatedly took 10 % of the time of `hvaedsl lint`.
COLLECT_AFTER = 100_000
# Error numbers if stdout cannot be written: a full disk, a terminal that is gone, a descriptor opened for reading.
OUTPUT_REFUSED = FULL | {errno.EIO, errno.EBADF}
# Error numbers of a path that the user must change, wherever it is read or written. A missing file is not among them:
# commands check for it, and elsewhere it is a bug.
PATH_REFUSED = frozenset(
    (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EIO, errno.EROFS)
)
# The exit code if the reader of the output exits, as in `hvaedsl lint specs/ | head`: that of a process which SIGPIPE
# ends.
CLOSED_PIPE = ExitCode.SIGNAL + 13
# The base of typer's errors for wrong usage. Some versions of typer have it from click, others include click.
WrongUsage: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from hvaedsl import __version__

        print_data(f"hvaedsl {__version__}")
        raise typer.Exit


@app.callback()
def hvaedsl(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback reads it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Declarative architectures for hierarchical VAEs: compile, check, draw, train."""
    processes = os.environ.get("WORLD_SIZE", "1")
    if "TORCHELASTIC_RUN_ID" in os.environ and processes != "1" and context.invoked_subcommand != "train":
        raise UsageError(
            f"torchrun started {processes} processes, but {context.invoked_subcommand} runs in one",
            help=f"run hvaedsl {context.invoked_subcommand} without torchrun; only train uses its processes",
        )


def run(program: str = "hvaedsl") -> None:
    """Run the command line, called `program` in usage texts. docs/language.md lists the exit codes."""
    gc.set_threshold(COLLECT_AFTER)
    atexit.register(_leave_garbage)
    prepare_streams()
    _ignore_impossible_widths()
    _hide_warnings_of_packages()
    sys.exit(_flushed(_exit_code(program)))


def _exit_code(program: str) -> int:
    """Run a command, print what went wrong, and return the exit code."""
    try:
        with whole_words_in_bash():
            name = program_of_scripts(program, sys.argv[1:])
            return app(prog_name=name, standalone_mode=False) or ExitCode.SUCCESS
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # typer and rich end so if the reader of the output exits
            return CLOSED_PIPE
        return end.code if isinstance(end.code, int) else ExitCode.SUCCESS
    except BrokenPipeError:
        return CLOSED_PIPE
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.SIGNAL + signal.SIGINT
    except SpecError as error:
        _print_findings(error)
        return error.exit_code
    except HvaedslError as error:
        _print_error(_traced(error) if isinstance(error, CompilerBug) else error.report)
        return error.exit_code
    except Exception as error:  # last resort: users never see a bare traceback
        return _unexpected(error)


def _unexpected(error: Exception) -> int:
    """Print an error that no command expects, and return its exit code: wrong usage, a full disk, or a bug."""
    if isinstance(error, WrongUsage):
        _print_usage(error)
        return int(error.exit_code)
    if known := _refusal(error):
        _print_error(known.report)
        return known.exit_code
    _print_error(_traced(error))
    return ExitCode.BUG


def _flushed(code: int) -> int:
    """Print what is still buffered, and return the exit code, which says so if success cannot be printed.

    An error keeps its exit code. A stream that cannot be written is redirected, or Python would complain at exit.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            code = CLOSED_PIPE if code in (ExitCode.SUCCESS, ExitCode.SPEC) else code
            _redirect(stream)
        except OSError as error:
            if stream is sys.stdout and code in (ExitCode.SUCCESS, ExitCode.SPEC):
                _print_error(_output_refused(error).report)
                code = ExitCode.FILES
            _redirect(stream)
        except ValueError:  # the stream was closed by other code
            _redirect(stream)
    if code == CLOSED_PIPE:
        _redirect(sys.stdout)
        _redirect(sys.stderr)
    return code


def _redirect(stream: TextIO) -> None:
    """Drop what is written to a stream from now on."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _hide_warnings_of_packages() -> None:
    """Do not print the deprecations that packages announce to each other, unless -W or PYTHONWARNINGS asks for them."""
    for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
        warnings.simplefilter("ignore", category, append=True)


def _leave_garbage() -> None:
    """Skip the last garbage collection, which took 5 % of the time of `hvaedsl lint`; the process frees its memory.

    With torch it runs, because torch has files, devices and processes to close.
    """
    if "torch" not in sys.modules:
        gc.freeze()


def _ignore_impossible_widths() -> None:
    """Remove a width of zero from the environment, and one for help texts that typer cannot read as a number."""
    if not os.environ.get("COLUMNS", "1").strip("0"):
        del os.environ["COLUMNS"]
    width = os.environ.get("TERMINAL_WIDTH", "1")
    if not (width.isdecimal() and int(width) > 0):
        del os.environ["TERMINAL_WIDTH"]


def _refusal(error: Exception) -> WriteError | UsageError | None:
    """What the environment or the operating system refused, if that is why there is an unexpected error."""
    from hvaedsl.cli.environment import refused_by_environment  # only unexpected errors need it

    if (refused_import := refused_by_environment(error)) is not None:
        return refused_import
    if isinstance(error, OSError) and error.errno in OUTPUT_REFUSED and error.filename is None:
        return _output_refused(error)
    if isinstance(error, OSError) and error.errno in FULL:
        return refused(error.filename, error)
    if isinstance(error, OSError) and error.errno in TOO_MANY_FILES:
        named = f"{error.filename}: " if error.filename is not None else ""
        return UsageError(f"{named}{(error.strerror or str(error)).lower()}", help=TOO_MANY_FILES[error.errno])
    if isinstance(error, OSError) and error.errno in PATH_REFUSED and error.filename is not None:
        return UsageError(f"{error.filename}: {(error.strerror or str(error)).lower()}")
    try:
        Path.cwd()
    except OSError:
        return UsageError("the working directory does not exist; change to one that does")
    return None


def _output_refused(error: OSError) -> WriteError:
    return refused("the output", error, "send it elsewhere")


def _traced(error: Exception) -> str:
    """The report of a bug, or its traceback if the environment asks for it."""
    if os.environ.get("HVAEDSL_TRACEBACK"):
        import traceback

        return textwrap.indent("".join(traceback.format_exception(error)), "  ")
    return (error if isinstance(error, CompilerBug) else CompilerBug.of(error)).report


def _print_findings(error: SpecError) -> None:
    from hvaedsl.report.full import print_full
    from hvaedsl.report.terminal import console

    with suppress(OSError):  # the exit code remains
        print_full(error.diagnostics, console(err=True))


def _print_usage(error: Any) -> None:
    """Print the message of typer for wrong usage, after the usage line of the command."""
    from rich.text import Text

    from hvaedsl.report.terminal import console

    if type(error).__name__ == "NoArgsIsHelpError":  # it has printed the help
        return
    if (context := error.ctx) is not None:
        usage = f"{context.get_usage()}\nTry '{context.command_path} {context.help_option_names[0]}' for help.\n"
        with suppress(OSError):
            console(err=True).print(Text(usage), soft_wrap=True)
    _print_error(error.format_message().replace("\n\t", " "))  # typer lists choices so


def _print_error(message: str) -> None:
    from hvaedsl.diagnostics.printable import printable_message

    try:
        from rich.text import Text

        from hvaedsl.report.terminal import console
    except Exception:  # the message may be about a file that hides rich, or a module that rich needs
        print(f"error: {printable_message(message)}", file=sys.stderr)
        return

    with suppress(OSError):  # if stderr is on the same full disk, the exit code remains
        shown = Text.assemble(("error", "bold red"), f": {printable_message(message)}")
        console(err=True).print(shown, soft_wrap=True)
