"""`hvaedsl`: the commands, and the one place where exceptions become messages and exit codes."""

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

# Objects between two collections of garbage, in place of 700: what imports and compiling make stays, and looking
# through it again and again took a tenth of the time of `hvaedsl lint`.
COLLECT_AFTER = 100_000
# What the system says where stdout is a file and its disk is full.
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
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Declarative architectures for hierarchical VAEs: compile, check, draw, train."""


def run() -> None:
    """Run the command line; the exit code says what happened (see docs/language.md)."""
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
        message = f"a bug in hvaedsl, not in your spec: {error}" if isinstance(error, CompilerBug) else str(error)
        _fail(f"{message}\n  help: {error.help}" if error.help else message, error.exit_code)
    except Exception as error:  # the last resort: nobody gets a bare traceback
        if refused := _refusal(error):
            _fail(refused, ExitCode.USAGE)
        _fail(_bug_report(error), ExitCode.BUG)


def _leave_garbage() -> None:
    """Let memory go with the process: looking through it for garbage once more took a twentieth of `hvaedsl lint`.

    Torch has files, devices and processes to close, and is left to close them.
    """
    if "torch" not in sys.modules:
        gc.freeze()


def _make_printable() -> None:
    """Let everything be printed, in an encoding that lacks a letter and on a terminal that says it has no width."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    if not os.environ.get("COLUMNS", "1").strip("0"):
        del os.environ["COLUMNS"]


def _refusal(error: Exception) -> str:
    """What the system would not give, where that explains an error; empty where it does not."""
    if isinstance(error, OSError) and error.errno in OUTPUT_REFUSED and error.filename is None:
        return f"the output cannot be written: {error.strerror}"
    try:
        Path.cwd()
    except OSError:
        return "the working directory is gone: change into one that is there"
    return ""


def _bug_report(error: Exception) -> str:
    import traceback

    last = traceback.extract_tb(error.__traceback__)[-1]
    if os.environ.get("HVAEDSL_TRACEBACK"):
        return "".join(traceback.format_exception(error))
    return (
        f"a bug in hvaedsl, not in your spec: {type(error).__name__}: {error} ({last.name}, line {last.lineno})\n"
        "  help: please report it, with the output of the same command under HVAEDSL_TRACEBACK=1"
    )


def _fail(message: str, code: int) -> NoReturn:
    from rich.console import Console
    from rich.markup import escape

    from hvaedsl.diagnostics.printable import printable

    shown = escape("\n".join(map(printable, message.split("\n"))))
    with suppress(OSError):  # where stderr goes to the same full disk, the exit code still says what happened
        Console(stderr=True).print(f"[bold red]error[/]: {shown}", highlight=False, soft_wrap=True)
    sys.exit(code)
