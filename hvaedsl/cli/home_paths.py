"""The one place where the command line replaces `~` in paths.

A shell replaces it only at the beginning of a word: not in `--out=~/x`, and not in quotes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from hvaedsl.cli.empty_values import shown_name
from hvaedsl.home_folder import expanded

# Values that a spec gets as they are: it may be read by other users, and `~` in `data.path` is replaced then.
KEPT = frozenset(("--path",))


class HomePathsCommand(TyperCommand):
    """A command that replaces `~` at the beginning of the values of its arguments and options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments. Raises `UsageError` for a `~` without a home folder."""
        left = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:
            for parameter in self.params:
                # A pair such as KEY=VALUE begins with its key.
                if (
                    parameter.name is not None
                    and "=" not in (parameter.metavar or "")
                    and KEPT.isdisjoint(parameter.opts)
                ):
                    ctx.params[parameter.name] = _with_home(ctx.params.get(parameter.name), shown_name(parameter))
        return left


def _with_home(value: object, name: str) -> Any:
    """The value, or values, with `~` replaced; a file that is in the working directory under such a name is meant."""
    if isinstance(value, list | tuple):
        return type(value)(_with_home(item, name) for item in value)
    if not isinstance(value, str | Path) or not str(value).startswith("~"):
        return value
    written = str(value)
    if "/" not in written and os.path.lexists(written):
        return value
    return type(value)(expanded(written, name))
