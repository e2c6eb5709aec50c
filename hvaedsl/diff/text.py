"""A difference as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from hvaedsl.diagnostics.printable import printable
from hvaedsl.diff.compare import Difference
from hvaedsl.diff.wording import (
    WITHOUT_EFFECT,
    Figure,
    level_figures,
    notation,
    tensor_changes,
    totals,
    uncounted,
    weights_sentence,
)


def difference_text(difference: Difference) -> str:
    """Return all differences as text; one line if there are none."""
    return "\n".join(map(printable, _lines(difference))) + "\n"


def _lines(difference: Difference) -> Iterator[str]:
    before, after = difference.before, difference.after
    if difference.is_empty:
        yield f"{before.label} and {after.label} are the same model"
        yield from _without_effect(difference)
        return

    yield f"{before.label} -> {after.label}"
    yield ""
    yield from _aligned(totals(difference), "  ")
    yield from (line for side in (before, after) if (line := uncounted(side)))

    for section, changes in groupby(difference.keys, key=lambda change: change.section):
        found = list(changes)
        yield ""
        yield section
        yield from _aligned([Figure(change.name, change.before, change.after) for change in found], "  ")
    for stack, levels in groupby(difference.levels, key=lambda change: change.stack):
        yield ""
        yield stack
        for change in levels:
            first, second = notation(change.before), notation(change.after)
            yield (
                f"  {change.resolution:<5}{first} -> {second}"
                if first != second
                else f"  {change.resolution:<5}{first}"
            )
            yield from _aligned(level_figures(change), " " * 7)
    for walk in difference.walks:
        yield ""
        yield f"{walk.stack}: the same blocks in another order"
        yield from (f"  {walk.before}", f"  -> {walk.after}")

    yield from _without_effect(difference)
    yield ""
    yield weights_sentence(difference)
    yield from (f"  {name}  {shapes}" for name, shapes in tensor_changes(difference))


def _without_effect(difference: Difference) -> Iterator[str]:
    if difference.without_effect:
        yield ""
        yield WITHOUT_EFFECT
        changes = difference.without_effect
        yield from _aligned([Figure(change.key, change.before, change.after) for change in changes], "  ")


def _aligned(figures: Sequence[Figure], indent: str) -> Iterator[str]:
    name = max((len(figure.what) for figure in figures), default=0)
    values = [figure.before if figure.change == "=" else f"{figure.before} -> {figure.after}" for figure in figures]
    # A long value, such as a list, does not widen the column.
    width = max((len(value) for value in values if len(value) <= 40), default=0)
    for figure, value in zip(figures, values, strict=True):
        yield f"{indent}{figure.what:<{name}}  {value:<{width}}  {figure.change}".rstrip()
