"""The constants that a `$name` can stand for, and whether a mistake that has been reported explains a missing value."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field

from hvaedsl.diagnostics.additions import at_top_level
from hvaedsl.diagnostics.diagnostic import Fix, nearest, writing
from hvaedsl.diagnostics.names import UnknownConstant
from hvaedsl.diagnostics.record import Record
from hvaedsl.syntax import ast


class Constants(Record):
    """The constants of a chain of documents and the command line."""

    values: Mapping[str, int]
    unreadable: Collection[str] = field(default=frozenset())  # constants whose value is a reported mistake
    some_lost: bool = False  # whether a `let` may be in a part of the text that could not be read

    def explained(self, name: str) -> bool:
        """Whether a reported mistake explains that a constant has no value."""
        return name in self.unreadable or (self.some_lost and name not in self.values)

    def unknown(self, reference: ast.Reference, example: int = 2) -> UnknownConstant:
        """The diagnostic of a `$name` that no `let` defines; `example` is a number that may be meant."""
        span, name, near = reference.span, reference.name, nearest(reference.name, self.values)
        if near is not None:
            fix = writing(span, f"${near}")
            return UnknownConstant(span=span, name=name, near=near, fix=fix)

        written = f"let {name} = {example}"
        definition = at_top_level(span.source, written)
        ways = (Fix(f"define it at the top level: `{written}`", (definition,)),) if definition is not None else ()
        return UnknownConstant(span=span, name=name, suggestions=ways)
