"""The constants that a part of a text uses."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.syntax import ast


def references(node: ast.Node) -> Iterator[ast.Reference]:
    """The names in a node, in the order of the text."""
    if isinstance(node, ast.Reference):
        yield node
        return
    for inner in ast.children(node):
        yield from references(inner)
