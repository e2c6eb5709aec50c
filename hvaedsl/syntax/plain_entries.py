"""The plain entries of a list, which are read without the parser: `32x2`, `2*32x1`, `$stage`, `8r1@g`.

A list can have thousands of them, and the parser takes a dozen steps for each. Between two commas of a list, each of
them is an expression whatever is around it, so reading one leaves the parser in the state in which it was.
"""

from __future__ import annotations

from collections.abc import Sequence

from hvaedsl.syntax.lalr import Parser, Token, Tree

_ATOMS = frozenset(("BLOCK", "INTEGER", "REFERENCE"))
_BEHIND = {"AT": frozenset(("NAME",)), "STAR": _ATOMS}
_LIST = "__block_list_star_"  # the name of the rule for the second and later entries of a list


def skip_plain_entries(parser: Parser, tokens: Sequence[Token], at: int) -> int:
    """Read the plain entries that start at an index, behind a comma, and return the index behind their last comma.

    Each becomes a `PlainEntry` among the entries of the unfinished list, which the builder knows.
    """
    values = parser.values
    unfinished = values[-2] if len(values) > 1 else None
    if not isinstance(unfinished, Tree) or not unfinished.data.startswith(_LIST):
        return at
    entries = unfinished.children

    last = len(tokens) - 1
    while at < last and tokens[at].type in _ATOMS:
        end = at + 1
        behind = _BEHIND.get(tokens[end].type)
        if behind is not None and end + 1 < last and tokens[end + 1].type in behind:
            end += 2
        if tokens[end].type != "COMMA":
            break
        entries.append(tuple(tokens[at:end]))
        values[-1] = tokens[end]
        at = end + 1
    return at
