"""Fold: equal runs of entries become uses of one named list, which is made if there is none with these entries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lsprotocol.types import CodeActionKind

from hvaedsl.diagnostics.diagnostic import Edit
from hvaedsl.diagnostics.span import Span
from hvaedsl.elaborate.constants import BASE
from hvaedsl.lsp.constant_text import cut, without_comments
from hvaedsl.lsp.entries import block_lists, named_lists
from hvaedsl.lsp.refactoring import Refactoring, Rewrite, between, contents, is_commented
from hvaedsl.syntax import ast
from hvaedsl.syntax.references import references

_LONGEST_RUN = 12  # entries of a run that is searched for
_MOST_ITEMS = 1000  # of a text in which runs are searched for
_LONGEST = 40
_KIND = CodeActionKind.RefactorRewrite


@dataclass(frozen=True)
class _Sequence:
    """Adjacent items of a list, each with its text without space; empty for one that cannot be moved."""

    items: Sequence[ast.Value]
    texts: tuple[str, ...]
    defines: str = ""  # the list whose definition this is


def foldings(refactoring: Refactoring, start: int, end: int) -> Iterator[Rewrite]:
    """The folding of the selected run, or of the run at the cursor that saves most."""
    analyzed = refactoring.analyzed
    sequences = list(_sequences(refactoring))
    if sum(len(each.items) for each in sequences) > _MOST_ITEMS:
        return
    best: tuple[int, int, tuple[str, ...]] | None = None
    for run in _runs_at(sequences, start, end):
        places = _places(sequences, run)
        known = _named(refactoring, run)
        saved = len(places) * (len(run) - 1) - (0 if known else len(run))
        if len(places) >= (1 if known else 2) and (best is None or (saved, len(run)) > best[:2]):
            best = saved, len(run), run
    if best is None:
        return

    run = best[2]
    spans = _places(sequences, run)
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


def _sequences(refactoring: Refactoring) -> Iterator[_Sequence]:
    """The sequences of items in all block lists of the text."""
    analyzed = refactoring.analyzed
    for value in block_lists(analyzed).values():
        yield from _inside(value)
    for name, value in named_lists(analyzed).items():
        inner = contents(value)
        yield _sequence(inner, name)
        for item in inner:
            yield from _inside(item)


def _inside(value: ast.Value) -> Iterator[_Sequence]:
    match value:
        case ast.List() | ast.Group():
            yield _sequence(value.items)
            for item in value.items:
                yield from _inside(item)
        case ast.Repeated():
            yield from _inside(value.body)


def _sequence(items: Sequence[ast.Value], defines: str = "") -> _Sequence:
    return _Sequence(items, tuple(map(_text, items)), defines)


def _text(item: ast.Value) -> str:
    """The text of an item that can be moved: it has no comment, and does not depend on its key."""
    if is_commented(item.span) or any(found.name == BASE for found in references(item)):
        return ""
    return "".join(item.span.text.split())


def _runs_at(sequences: Sequence[_Sequence], start: int, end: int) -> Iterator[tuple[str, ...]]:
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


def _places(sequences: Sequence[_Sequence], run: tuple[str, ...]) -> list[Span]:
    """The places of a run that do not overlap; a whole definition stays, so that a list does not use itself."""
    found: dict[tuple[int, int], Span] = {}
    for each in sequences:
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


def _named(refactoring: Refactoring, run: tuple[str, ...]) -> str:
    """The list of the chain whose entries are these; empty if there is none."""
    constants = refactoring.analyzed.constants
    for name in constants.lists:
        definition = refactoring.analyzed.definition(name)
        if name in constants.unreadable or definition is None:
            continue
        if tuple(map(_text, contents(definition.value))) == run and not refactoring.is_overridden(name):
            return name
    return ""
