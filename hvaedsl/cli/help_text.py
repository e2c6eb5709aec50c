"""Help texts: typer prints them; which streams get color is decided here, as for all other output."""

from __future__ import annotations

import sys
from typing import Any

from typer.core import TyperCommand, TyperGroup

from hvaedsl.cli.text_values import TextValues

NO_DOCSTRINGS = 2  # the level of optimization at which Python removes them


class HelpCommand(TextValues, TyperCommand):
    """A command whose help has color where other output has it."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        _set_up_typer()
        super().format_help(ctx, formatter)


class HelpGroup(TextValues, TyperGroup):
    """A group of commands whose help has color where other output has it."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        _set_up_typer()
        super().format_help(ctx, formatter)


def _set_up_typer() -> None:
    """Let the consoles that typer makes for its help follow our decisions on color and terminals.

    Says so if the texts are missing.
    """
    from typer import rich_utils

    from hvaedsl.diagnostics.streams import is_live, say
    from hvaedsl.report.terminal import color_system

    if sys.flags.optimize >= NO_DOCSTRINGS:
        say("the help is incomplete: its texts are docstrings, which python -OO and PYTHONOPTIMIZE=2 remove", err=True)
    rich_utils.FORCE_TERMINAL = is_live(sys.stdout)
    rich_utils.COLOR_SYSTEM = color_system(sys.stdout)
