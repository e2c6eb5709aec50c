"""The one place where the command line refuses empty values, which an unset variable of a shell leaves.

An empty path is the working directory to the file system: `--out "$OUT"` would write there, and `--from ""` read from
there. No argument or option of any command has a use for an empty value, so none takes one.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from hvaedsl.diagnostics.errors import UsageError


class NonEmptyCommand(TyperCommand):
    """A command that refuses empty values of its arguments and options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments. Raises `UsageError` for an empty one; shell completion may have one."""
        if not ctx.resilient_parsing:
            # Read as words, because a path type makes `.` of an empty word.
            given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
            for parameter in self.params:
                if parameter.name is not None:
                    _refuse_empty(parameter, given.get(parameter.name))
        return super().parse_args(ctx, args)


def shown_name(parameter: Any) -> str:
    """What a message calls an argument or option."""
    return str(max(parameter.opts, key=len) if parameter.param_type_name == "option" else parameter.metavar)


def _refuse_empty(parameter: Any, given: object) -> None:
    values = given if isinstance(given, list | tuple) else (given,)
    if not any(isinstance(value, str) and not value.strip() for value in values):
        return
    way_out = "give a value, or omit the option" if parameter.param_type_name == "option" else "give a value"
    raise UsageError(
        f"{shown_name(parameter)} is empty", help=f"{way_out}; an unset shell variable leaves an empty value"
    )
