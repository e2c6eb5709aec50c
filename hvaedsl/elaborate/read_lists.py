"""Block lists that use other lists by their names, before the entries are put in place."""

from __future__ import annotations

from collections.abc import Sequence

from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Span
from hvaedsl.ir.blocks import EmptyItem, Entry, Repeat


class Copies(Record):
    """`k*A`, with the lists in A not yet in place of their names."""

    count: int
    body: tuple[Item, ...]


class Use(Record):
    """A list in the place of its name."""

    content: ReadList
    span: Span  # of the name


Item = Entry | Repeat | Copies | Use


class ReadList(Record):
    """The items of a block list: the value of a key, of a `let`, or of a base.

    Lists are used by their names until they are counted: forty lists of two uses each have 2^40 entries.
    """

    items: tuple[Item, ...]
    empty: tuple[EmptyItem, ...] = ()
    walk_known: bool = True  # whether the resolutions of all entries are
    counts_known: bool = True
    alone: bool = True  # whether it is used at one place only, so that an edit of it changes no other list
    applications: int = 0  # the number of blocks
    depth: int = 0  # the longest chain of lists that use each other
    operators: frozenset[str] = frozenset()  # of all entries


def applications_of(items: Sequence[Item]) -> int:
    """The number of blocks, without putting lists in the place of their names."""
    total = 0
    for item in items:
        match item:
            case Copies():
                total += item.count * applications_of(item.body)
            case Use():
                total += item.content.applications
            case _:
                total += item.applications
    return total


def depth_of(items: Sequence[Item]) -> int:
    """The deepest nesting of repetitions and names."""
    deepest = 0
    for item in items:
        match item:
            case Copies() | Repeat():
                deepest = max(deepest, 1 + depth_of(item.body))
            case Use():
                deepest = max(deepest, 1 + item.content.depth)
            case _:
                pass
    return deepest


def operators_of(items: Sequence[Item]) -> frozenset[str]:
    """The operators of all entries."""
    found: set[str] = set()
    for item in items:
        match item:
            case Entry():
                found.add(item.operator)
            case Repeat() | Copies():
                found |= operators_of(item.body)
            case Use():
                found |= item.content.operators
    return frozenset(found)
