"""What the value of a key went through: the constants, named lists and lists of bases that it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Span
from hvaedsl.elaborate.constants import BASE
from hvaedsl.elaborate.definitions import Definitions
from hvaedsl.syntax import ast
from hvaedsl.syntax.references import references

# The names with their `$`, and the places of their definitions.
Names = tuple[tuple[str, Span], ...]


class Via(Record):
    """The values of a chain as they are written."""

    values: Mapping[str, ast.Value]  # of each key
    bases: Mapping[str, Sequence[ast.Value]]  # what each replaces, the nearest first
    definitions: Definitions

    def __call__(self, key: str) -> Names:
        """The names that the value of a key uses, and those that they use, the nearest first, each once."""
        value = self.values.get(key)
        found: dict[tuple[str, int], Span] = {}
        waiting = [] if value is None else [(value, 0)]  # values, and the number of bases that are below them
        for node, below in waiting:  # which grows
            for reference in references(node):
                bases = self.bases.get(key, ())[below:]
                if reference.name == BASE and bases:
                    inner, span, below_inner = bases[0], bases[0].span, below + 1
                elif definitions := self.definitions.get(reference.name):
                    inner, span, below_inner = definitions[-1].value, definitions[-1].span, 0
                else:
                    continue
                name = f"${reference.name}", below_inner
                if name not in found:
                    found[name] = span
                    waiting.append((inner, below_inner))
        return tuple((name, span) for (name, _), span in found.items())
