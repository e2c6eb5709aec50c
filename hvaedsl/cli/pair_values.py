"""The one place where the command line refuses a pair, such as KEY=VALUE, that is in several words.

The parser of options would take `-1` in `--let n -1` for an option, and `1` in `--let n 1` for an argument.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.shell import command_line

# A word that can only be the value of the pair before it. Other words may be arguments, such as the spec.
_VALUE = re.compile(r"=.*|[-+]?[0-9][0-9._]*([eE][-+]?[0-9]+)?[kM]?")


class PairsCommand(TyperCommand):
    """A command that refuses pairs in several words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments. Raises `UsageError` for a pair without its `=` or its value."""
        if not ctx.resilient_parsing:
            forms = {name: parameter.metavar for parameter in self.params for name in parameter.opts}
            words = args[: args.index("--")] if "--" in args else args
            for at, word in enumerate(words[:-1]):
                if "=" in (form := str(forms.get(word))):
                    _check_pair(word, words[at + 1], words[at + 2 :], form)
        return super().parse_args(ctx, args)


def _check_pair(option: str, given: str, following: Sequence[str], form: str) -> None:
    """Raise `UsageError` if what was given as a pair of an option has no `=`, or its value is the next word."""
    separate: list[str] = []
    for word in following:
        if not _VALUE.fullmatch(word) or (separate and separate != ["="]):
            break
        separate.append(word)

    name, equals, value = given.partition("=")
    value_follows = separate and not value and (not equals or not separate[0].startswith("="))
    if not name.strip() or (equals and not value_follows):
        return
    whole = f"{name.strip()}={''.join(separate).removeprefix('=')}"
    raise UsageError(
        f"{option} is `{given}`; it must be {form}, in one word",
        help=f"write {command_line(option, whole)}" if value_follows and not whole.endswith("=") else "",
    )
