"""The assignments of a text, each with its dotted key."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.syntax import ast


def assignments(statements: tuple[ast.Statement, ...], section: str = "") -> Iterator[tuple[str, ast.Assignment]]:
    """Yield the assignments among the statements and in their sections, by dotted key, in the order of the text."""
    for item in statements:
        if isinstance(item, ast.Assignment):
            yield f"{section}{item.key.text}", item
        elif isinstance(item, ast.Section):
            yield from assignments(item.statements, f"{section}{item.name.text}.")
