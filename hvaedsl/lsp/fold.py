"""Fold: equal runs of entries become uses of one named list, which is made if there is none with these entries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lsprotocol.types import CodeActionKind

from hvaedsl.diagnostics.diagnostic import Edit
from hvaedsl.elaborate.equal_runs import Items, contents, items_inside, items_of_definition, movable_text, places_of
from hvaedsl.lsp.constant_text import cut, without_comments
from hvaedsl.lsp.entries import block_lists, named_lists
from hvaedsl.lsp.refactoring import Refactoring, Rewrite

_LONGEST_RUN = 12  # entries of a run that is searched for
_MOST_ITEMS = 1000  # of a text in which runs are searched for
_LONGEST = 40
_KIND = CodeActionKind.RefactorRewrite


def foldings(refactoring: Refactoring, start: int, end: int) -> Iterator[Rewrite]:
    """The folding of the selected run, or of the run at the cursor that saves most."""
    analyzed = refactoring.analyzed
    sequences = list(_sequences(refactoring))
    if sum(len(each.items) for each in sequences) > _MOST_ITEMS:
        return
    best: tuple[int, int, tuple[str, ...]] | None = None
    for run in _runs_at(sequences, start, end):
        places = places_of(sequences, run)
        known = _named(refactoring, run)
        saved = len(places) * (len(run) - 1) - (0 if known else len(run))
        if len(places) >= (1 if known else 2) and (best is None or (saved, len(run)) > best[:2]):
            best = saved, len(run), run
    if best is None:
        return

    run = best[2]
    spans = places_of(sequences, run)
    known = _named(refactoring, run)
    name = known or refactoring.free_name("stage")
    edits = [Edit(span, f"${name}") for span in spans]
    if not known:
        definition = refactoring.definition(name, f"({without_comments(spans[0].text)})")
        if definition is None:
            return
        edits.append(definition)
    text = cut(without_comments(analyzed.text[spans[0].start : spans[0].end]), _LONGEST)
    times = "the run" if len(spans) == 1 else f"{len(spans)} equal runs"
    yield Rewrite(f"fold {times} `{text}` into the list `${name}`", _KIND, tuple(edits))


def _sequences(refactoring: Refactoring) -> Iterator[Items]:
    """The sequences of items in all block lists of the text."""
    analyzed = refactoring.analyzed
    for value in block_lists(analyzed).values():
        yield from items_inside(value)
    for name, value in named_lists(analyzed).items():
        yield from items_of_definition(name, value)


def _runs_at(sequences: Sequence[Items], start: int, end: int) -> Iterator[tuple[str, ...]]:
    """The runs of at least two entries that contain a cursor, or the one that a selection touches."""
    for each in sequences:
        touched = [at for at, item in enumerate(each.items) if item.span.start <= end and start <= item.span.end]
        if not touched:
            continue
        if start < end and len(touched) > 1:
            lasts = [touched[-1]]
            firsts = [touched[0]]
        else:
            firsts = list(range(max(0, touched[-1] - _LONGEST_RUN + 1), touched[0] + 1))
            lasts = list(range(touched[-1], min(len(each.items), touched[0] + _LONGEST_RUN)))
        for first in firsts:
            for last in lasts:
                run = each.texts[first : last + 1]
                if 1 < len(run) <= _LONGEST_RUN and all(run):
                    yield run


def _named(refactoring: Refactoring, run: tuple[str, ...]) -> str:
    """The list of the chain whose entries are these; empty if there is none."""
    constants = refactoring.analyzed.constants
    for name in constants.lists:
        definition = refactoring.analyzed.definition(name)
        if name in constants.unreadable or definition is None:
            continue
        if tuple(map(movable_text, contents(definition.value))) == run and not refactoring.is_overridden(name):
            return name
    return ""
