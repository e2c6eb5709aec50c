"""The nodes of the AST at a place of the text, for features that need the expression or the list around a cursor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields

from hvaedsl.diagnostics.span import Span
from hvaedsl.syntax import ast


def path_to(nodes: Iterable[ast.Node], start: int, end: int) -> tuple[ast.Node, ...]:
    """The nodes that contain the text from `start` to `end`, each inside the one before it; empty if there is none."""
    found: list[ast.Node] = []
    inner = next((node for node in nodes if _contains(node, start, end)), None)
    while inner is not None:
        found.append(inner)
        inner = next((node for node in children(inner) if _contains(node, start, end)), None)
    return tuple(found)


def children(node: ast.Node) -> Iterator[ast.Node]:
    """The nodes directly inside a node, in the order of its fields."""
    for item in fields(node):
        value = getattr(node, item.name)
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, ast.Node):
                yield inner


def span_of(node: ast.Node) -> Span:
    """The place of a node; every node except a document has one."""
    span: Span = node.span  # type: ignore[attr-defined]  # the base class of the nodes has no fields
    return span


def _contains(node: ast.Node, start: int, end: int) -> bool:
    span = span_of(node)
    return span.start <= start and end <= span.end
