"""`hvaedsl`: the command line, and the only place where exceptions become messages and exit codes."""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from hvaedsl.cli.command_table import CommandGroup
from hvaedsl.cli.completion import whole_words_in_bash
from hvaedsl.diagnostics.errors import CompilerBug, ExitCode, HvaedslError, SpecError

# Allocations between two garbage collections, instead of 700: the objects of imports and of the compiler stay alive,
# and traversing them repeatedly took 10 % of the time of `hvaedsl lint`.
COLLECT_AFTER = 100_000
# Error numbers if stdout is a file on a full disk.
OUTPUT_REFUSED = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))

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

        typer.echo(f"hvaedsl {__version__}")
        raise typer.Exit


@app.callback()
def hvaedsl(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Declarative architectures for hierarchical VAEs: compile, check, draw, train."""


def run() -> None:
    """Run the command line. docs/language.md lists the exit codes."""
    gc.set_threshold(COLLECT_AFTER)
    atexit.register(_leave_garbage)
    _make_printable()
    try:
        with whole_words_in_bash():
            app()
    except SpecError as error:
        from rich.console import Console

        from hvaedsl.report.full import print_full

        print_full(error.diagnostics, Console(stderr=True))
        sys.exit(error.exit_code)
    except HvaedslError as error:
        _fail(_traced(error) if isinstance(error, CompilerBug) else error.report, error.exit_code)
    except Exception as error:  # last resort: users never see a bare traceback
        if refused := _refusal(error):
            _fail(refused, ExitCode.USAGE)
        _fail(_traced(error), ExitCode.BUG)


def _leave_garbage() -> None:
    """Skip the last garbage collection, which took 5 % of the time of `hvaedsl lint`; the process frees its memory.

    With torch it runs, because torch has files, devices and processes to close.
    """
    if "torch" not in sys.modules:
        gc.freeze()


def _make_printable() -> None:
    """Make every character printable in every encoding, and ignore a terminal width of 0."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    if not os.environ.get("COLUMNS", "1").strip("0"):
        del os.environ["COLUMNS"]


def _refusal(error: Exception) -> str:
    """The operating system's reason for an unexpected error; empty if it has none."""
    if isinstance(error, OSError) and error.errno in OUTPUT_REFUSED and error.filename is None:
        return f"the output cannot be written: {error.strerror}"
    try:
        Path.cwd()
    except OSError:
        return "the working directory does not exist; change to one that does"
    return ""


def _traced(error: Exception) -> str:
    """The report of a bug, or its traceback if the environment asks for it."""
    if os.environ.get("HVAEDSL_TRACEBACK"):
        import traceback

        return "".join(traceback.format_exception(error))
    return (error if isinstance(error, CompilerBug) else CompilerBug.of(error)).report


def _fail(message: str, code: int) -> NoReturn:
    from rich.console import Console
    from rich.markup import escape

    from hvaedsl.diagnostics.printable import printable

    shown = escape("\n".join(map(printable, message.split("\n"))))
    with suppress(OSError):  # if stderr is on the same full disk, the exit code remains
        Console(stderr=True).print(f"[bold red]error[/]: {shown}", highlight=False, soft_wrap=True)
    sys.exit(code)
