"""Equal runs of entries in the block lists of a text, as they are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hvaedsl.diagnostics.span import Span
from hvaedsl.elaborate.constants import BASE
from hvaedsl.syntax import ast
from hvaedsl.syntax.references import references


@dataclass(frozen=True)
class Items:
    """Adjacent items of a list, each with its text without space; empty for one that cannot be moved."""

    items: Sequence[ast.Value]
    texts: tuple[str, ...]
    defines: str = ""  # the list whose definition this is


def items_of(items: Sequence[ast.Value], defines: str = "") -> Items:
    """Adjacent items with their texts."""
    return Items(items, tuple(map(movable_text, items)), defines)


def items_inside(value: ast.Value) -> Iterator[Items]:
    """The items of a list, and those of each group in it."""
    match value:
        case ast.List() | ast.Group():
            yield items_of(value.items)
            for item in value.items:
                yield from items_inside(item)
        case ast.Repeated():
            yield from items_inside(value.body)


def items_of_definition(name: str, value: ast.Value) -> Iterator[Items]:
    """The items of a named list, and those of each group in it."""
    inner = contents(value)
    yield items_of(inner, name)
    for item in inner:
        yield from items_inside(item)


def movable_text(item: ast.Value) -> str:
    """The text of an item that can be moved: it has no comment, and does not depend on its key."""
    if is_commented(item.span) or any(found.name == BASE for found in references(item)):
        return ""
    return "".join(item.span.text.split())


def places_of(lists: Sequence[Items], run: tuple[str, ...]) -> list[Span]:
    """The places of a run that do not overlap; a whole definition stays, so that a list does not use itself."""
    found: dict[tuple[int, int], Span] = {}
    for each in lists:
        at = 0
        while at <= len(each.texts) - len(run):
            span = between(each.items[at : at + len(run)])
            is_definition = bool(each.defines) and len(run) == len(each.items)
            if each.texts[at : at + len(run)] != run or is_definition or is_commented(span):
                at += 1
                continue
            found.setdefault((span.start, span.end), span)
            at += len(run)
    return list(found.values())


def is_commented(span: Span) -> bool:
    """Whether a text has a comment, which a rewrite would move or copy; block lists and numbers have no strings."""
    return "#" in span.text


def between(items: Sequence[ast.Value]) -> Span:
    """The place of adjacent items."""
    return items[0].span.to(items[-1].span)


def contents(value: ast.Value) -> tuple[ast.Value, ...]:
    """The items of a list, without the brackets or parentheses around it."""
    while isinstance(value, ast.List | ast.Group):
        if len(value.items) != 1 or not isinstance(value.items[0], ast.List | ast.Group):
            return value.items
        value = value.items[0]
    return (value,)
