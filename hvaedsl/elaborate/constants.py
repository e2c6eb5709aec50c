"""The numbers and lists that a `$name` can stand for, and whether a reported mistake explains a missing one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from itertools import chain

from hvaedsl.diagnostics.additions import at_top_level
from hvaedsl.diagnostics.diagnostic import Fix, nearest, writing
from hvaedsl.diagnostics.names import UnknownConstant
from hvaedsl.diagnostics.record import Record
from hvaedsl.elaborate.read_lists import ReadList
from hvaedsl.syntax import ast

# `$rx2`: the name of a constant where an entry has its resolution.
_AS_RESOLUTION = re.compile(r"(\w+?)[xrdm][0-9]*")
BASE = "base"  # `$base` is the list of the base, so no constant has this name


class Constants(Record):
    """The constants of a chain of documents and the command line."""

    values: Mapping[str, int]
    lists: Mapping[str, ReadList] = field(default_factory=dict)
    unreadable: Collection[str] = field(default=frozenset())  # constants whose value is a reported mistake
    some_lost: bool = False  # whether a `let` may be in a part of the text that could not be read

    @property
    def names(self) -> Iterator[str]:
        """The names of all constants."""
        return chain(self.values, self.lists)

    def explained(self, name: str) -> bool:
        """Whether a reported mistake explains that a constant has no value."""
        lost = self.some_lost and name not in self.values and name not in self.lists and name != BASE
        return name in self.unreadable or lost

    def unknown(self, reference: ast.Reference, example: int = 2, more: Collection[str] = ()) -> UnknownConstant:
        """The diagnostic of a `$name` that no `let` defines; `example` is a number that may be meant.

        `more` are names that may be meant beside those of the constants.
        """
        span, name, near = reference.span, reference.name, nearest(reference.name, chain(self.names, more))
        if near is not None:
            fix = writing(span, f"${near}")
            return UnknownConstant(span=span, name=name, near=near, fix=fix)

        as_resolution = _AS_RESOLUTION.fullmatch(name)
        if as_resolution is not None and as_resolution[1] in self.values:
            return UnknownConstant(span=span, name=name, is_resolution=True)

        written = f"let {name} = {example}"
        definition = at_top_level(span.source, written)
        ways = (Fix(f"define it at the top level: `{written}`", (definition,)),) if definition is not None else ()
        return UnknownConstant(span=span, name=name, suggestions=ways)


def free_name(word: str, taken: Collection[str]) -> str:
    """A name that no constant has: the word, or the word and a number."""
    number = 2
    name = word
    while name in taken:
        name, number = f"{word}{number}", number + 1
    return name
