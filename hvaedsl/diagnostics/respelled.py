"""Ways out of findings in words that are respelled: a notation of another language, read as what it means.

The parser reads `${n}` as `$n` at the same place, and padded to the same length. An edit of a later finding is one of
that text, so it is combined with the edit that respells the word.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix
from hvaedsl.diagnostics.notation import BracedConstant, SpacedEntry


def with_respelling(found: Iterable[Diagnostic], syntax: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """Yield findings whose ways out also respell the words that they change; `syntax` has the findings about these."""
    edits: dict[int, list[Edit]] = {}  # by the identity of their source
    for item in syntax:
        if isinstance(item, BracedConstant | SpacedEntry) and item.fix is not None:
            edits.setdefault(id(item.span.source), []).extend(item.fix.edits)
    if not edits:
        yield from found
        return

    for words in edits.values():
        words.sort(key=lambda edit: edit.span.start)
    for item in found:
        suggestions = tuple(way for way in (_combined(way, edits) for way in item.suggestions) if way is not None)
        fix = _combined(item.fix, edits) if item.fix is not None else None
        yield replace(item, fix=fix, suggestions=suggestions)


def _combined(way: Fix, respellings: Mapping[int, Sequence[Edit]]) -> Fix | None:
    """The way out with its edits combined with those that respell; None if one of its edits cuts such a word."""
    changed: list[Edit] = []
    for edit in way.edits:
        word = _word_at(edit, respellings.get(id(edit.span.source), ()))
        if word is None:
            changed.append(edit)
        elif word.span.start <= edit.span.start and edit.span.end <= word.span.end:
            start, end = (place - word.span.start for place in (edit.span.start, edit.span.end))
            text = f"{word.replacement[:start]}{edit.replacement}{word.replacement[end:]}"
            changed.append(Edit(word.span, text))
        elif edit.span.start <= word.span.start and word.span.end <= edit.span.end:
            changed.append(edit)
        else:
            return None
    return replace(way, edits=tuple(changed))


def _word_at(edit: Edit, respellings: Sequence[Edit]) -> Edit | None:
    """The respelled word that an edit overlaps."""
    start, end = edit.span.start, edit.span.end
    at = bisect_right(respellings, max(start, end - 1), key=lambda item: item.span.start) - 1
    word = respellings[at] if at >= 0 else None
    if word is None or word.span.end <= start:
        return None
    return None if start == end == word.span.start else word  # an insertion before it leaves it whole
