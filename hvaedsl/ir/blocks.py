"""Typed block lists: the entries of one stack. Repetitions are expanded only on request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import Literal

from hvaedsl.diagnostics.diagnostic import Fix
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Span

Operator = Literal["x", "r", "d", "m"]


class Entry(Record):
    """One entry: `RxN`, `RrN`, `RdK`, `RmS`; a bare `R` is `Rx1`."""

    resolution: int
    operator: Operator
    argument: int
    label: str | None = None
    span: Span | None = field(default=None, compare=False, repr=False)
    argument_span: Span | None = field(default=None, compare=False, repr=False)
    label_span: Span | None = field(default=None, compare=False, repr=False)  # of the name behind the `@`

    @property
    def applications(self) -> int:
        """The number of blocks that the entry applies: N for `x` and `r`, one for `d` and `m`."""
        return self.argument if self.operator in "xr" else 1

    def __str__(self) -> str:
        """The entry in the language."""
        return f"{self.resolution}{self.operator}{self.argument}{f'@{self.label}' if self.label else ''}"


class Repeat(Record):
    """`count` copies of some entries, each copy with its own weights (labels aside)."""

    count: int
    body: tuple[Entry | Repeat, ...]

    @property
    def applications(self) -> int:
        """The number of blocks that the repetition applies."""
        return self.count * sum(item.applications for item in self.body)

    def __str__(self) -> str:
        """The repetition in the language."""
        inner = ", ".join(map(str, self.body))
        return (
            f"{self.count}*{inner}"
            if len(self.body) == 1 and isinstance(self.body[0], Entry)
            else f"{self.count}*({inner})"
        )


class EmptyItem(Record):
    """An item whose count is the digit 0: where it is, and the fix that removes it."""

    span: Span
    fix: Fix | None


class BlockList(Record):
    """The block list of an encoder or a decoder. Items without a block are left out; `empty` has those written so."""

    items: tuple[Entry | Repeat, ...]
    empty: tuple[EmptyItem, ...] = field(default=(), compare=False, repr=False)

    @property
    def applications(self) -> int:
        """The number of blocks that the list applies, counted without expanding it."""
        return sum(item.applications for item in self.items)

    def expanded(self) -> Iterator[Entry]:
        """The entries in order, with repetitions expanded."""
        return _expand(self.items)

    def sequences(self) -> Iterator[tuple[Entry | Repeat, ...]]:
        """The sequences of adjacent items: the list itself, and the body of each repetition."""
        return _sequences(self.items)

    def written_entries(self) -> Iterator[Entry]:
        """The entries in order, without expanding repetitions."""
        return _written_entries(self.items)

    def with_numbered_labels(self) -> BlockList:
        """The list with its labels replaced by 1, 2, ...; two lists that differ only in labels' names become equal."""
        numbers: dict[str, str] = {}
        for entry in self.written_entries():
            if entry.label is not None:
                numbers.setdefault(entry.label, str(len(numbers) + 1))
        return BlockList(_relabeled(self.items, numbers)) if numbers else self

    def __str__(self) -> str:
        """The list in the language."""
        return ", ".join(map(str, self.items))


def _expand(items: tuple[Entry | Repeat, ...]) -> Iterator[Entry]:
    for item in items:
        if isinstance(item, Entry):
            yield item
        else:
            for _ in range(item.count):
                yield from _expand(item.body)


def _sequences(items: tuple[Entry | Repeat, ...]) -> Iterator[tuple[Entry | Repeat, ...]]:
    yield items
    for item in items:
        if isinstance(item, Repeat):
            yield from _sequences(item.body)


def _written_entries(items: tuple[Entry | Repeat, ...]) -> Iterator[Entry]:
    for item in items:
        if isinstance(item, Entry):
            yield item
        else:
            yield from _written_entries(item.body)


def _relabeled(items: tuple[Entry | Repeat, ...], labels: Mapping[str, str]) -> tuple[Entry | Repeat, ...]:
    return tuple(
        replace(item, body=_relabeled(item.body, labels))
        if isinstance(item, Repeat)
        else replace(item, label=None if item.label is None else labels[item.label])
        for item in items
    )
