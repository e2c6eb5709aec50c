"""A difference as markdown, for a comment on a pull request.

Text of the spec is in code spans, so that `@g` mentions nobody, `*` is not emphasis, and a value cannot add markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from hvaedsl.diagnostics.printable import printable
from hvaedsl.diff.compare import Difference, LevelChange
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


def difference_markdown(difference: Difference) -> str:
    """Return a heading, a table of the cost, and the changes."""
    return "\n".join(_lines(difference)) + "\n"


def _lines(difference: Difference) -> Iterator[str]:
    before, after = difference.before, difference.after
    yield f"### {_code(before.label)} → {_code(after.label)}"
    yield ""
    if difference.is_empty:
        yield "No difference: the same model with the same training."
        yield from _without_effect(difference)
        return

    yield from _table(("", "before", "after", "change"), [_row(figure) for figure in totals(difference)])
    for side in (before, after):
        if line := uncounted(side):
            yield from ("", _plain(line))

    for section, changes in groupby(difference.keys, key=lambda change: change.section):
        yield ""
        rows = [(_code(change.name), _code(change.before), _code(change.after)) for change in changes]
        yield from _table((_code(section), "before", "after"), rows)
    for stack, levels in groupby(difference.levels, key=lambda change: change.stack):
        yield ""
        yield from _table((stack, "before", "after", "details"), [_level(change) for change in levels])
    for walk in difference.walks:
        yield from ("", f"The {walk.stack} applies the same blocks in another order:", "")
        yield from (f"- before {_code(walk.before)}", f"- after {_code(walk.after)}")

    yield from _without_effect(difference)
    weights = difference.weights
    sign = "❔" if not weights.known else "✅" if weights.load else "❌"
    yield from ("", f"{sign} {_plain(weights_sentence(difference))}")
    if found := list(tensor_changes(difference)):
        yield ""
        yield from (f"- {_code(name) if name != '...' else '…'} {shapes}" for name, shapes in found)


def _without_effect(difference: Difference) -> Iterator[str]:
    if difference.without_effect:
        yield ""
        rows = [(_code(change.key), _code(change.before), _code(change.after)) for change in difference.without_effect]
        yield from _table((WITHOUT_EFFECT, "before", "after"), rows)


def _row(figure: Figure) -> tuple[str, ...]:
    same = figure.change == "="
    return (_plain(figure.what), figure.before, figure.after, "" if same else figure.change)


def _level(change: LevelChange) -> tuple[str, ...]:
    sides = ((notation(level), level) for level in (change.before, change.after))
    details = (
        f"{figure.what} {figure.before} → {figure.after}" + (f", {figure.change}" if "(" in figure.change else "")
        for figure in level_figures(change)
    )
    return (str(change.resolution), *(_code(text) if level else text for text, level in sides), "<br>".join(details))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _code(text: str) -> str:
    """Return a code span, also valid in a table, with a fence that is longer than any run of backticks in the text."""
    shown = printable(text).replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{space}{shown}{space}{fence}"


def _plain(text: str) -> str:
    """Escape the markup in a sentence."""
    return re.sub(r"([\\`*_{}\[\]<#|@~])", r"\\\1", printable(text))
