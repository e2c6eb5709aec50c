"""Former names of options, which commands still accept; neither help nor shell completion shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any

from hvaedsl.cli.empty_values import NonEmptyCommand
from hvaedsl.cli.help_text import HelpCommand
from hvaedsl.cli.home_paths import HomePathsCommand
from hvaedsl.cli.pair_values import PairsCommand

FORMER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "--batch": "--batch-size",
        "--output": "--out",
        "--output-format": "--format",
        "--overwrite": "--force",
        "--plugins": "--custom",
    }
)


class FormerNamesCommand(PairsCommand, NonEmptyCommand, HomePathsCommand, HelpCommand):
    """A command that accepts former names of its options, refuses empty values and split pairs, and replaces `~`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, with former names replaced."""
        known = set(chain.from_iterable(parameter.opts for parameter in self.params))
        return super().parse_args(ctx, list(_renamed(args, known)))


def _renamed(words: Sequence[str], known: set[str]) -> Iterator[str]:
    """The words with current names; `--` ends the options, and what follows it is unchanged."""
    end = words.index("--") if "--" in words else len(words)
    for word in words[:end]:
        name, equals, value = word.partition("=")
        current = FORMER_NAMES.get(name)
        yield f"{current}{equals}{value}" if current in known and name not in known else word
    yield from words[end:]
