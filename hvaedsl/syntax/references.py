"""The constants that a part of a text uses."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.syntax import ast


def references(node: ast.Node) -> Iterator[ast.Reference]:
    """The names in a node, in the order of the text."""
    if isinstance(node, ast.Reference):
        yield node
        return
    values = (node.items,) if isinstance(node, ast.List) else vars(node).values()  # items may not be built yet
    for value in values:
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, ast.Node):
                yield from references(inner)
