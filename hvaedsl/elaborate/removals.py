"""The fix that removes one item of a list, a map or a call."""

from __future__ import annotations

from collections.abc import Sequence

from hvaedsl.diagnostics.diagnostic import Fix, item_removals
from hvaedsl.syntax import ast

_Item = ast.Value | ast.Entry | ast.NamedArgument


def removal_of(items: Sequence[_Item], item: _Item, title: str = "keep the first", *, safe: bool = False) -> Fix | None:
    """The fix that removes an item from a list; None if it is the only one, or has a comment beside it."""
    at = next(index for index, other in enumerate(items) if other is item)
    edits = item_removals([other.span for other in items], {at})
    return Fix(title, edits, safe=safe) if edits else None
