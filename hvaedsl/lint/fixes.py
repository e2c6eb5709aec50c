"""Fixes, applied: those that do not touch each other at once, then linted again, until none is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hvaedsl.catalog.suppressions import UnusedSuppression
from hvaedsl.diagnostic import Diagnostic, Fix, Severity
from hvaedsl.errors import CompilerBug
from hvaedsl.lint.texts import Texts, place_of
from hvaedsl.lint_cache import Judged
from hvaedsl.span import Source
from hvaedsl.spec_files import Linted
from hvaedsl.syntax.parser import parse_document

MAX_ROUNDS = 100


@dataclass(frozen=True)
class Mended:
    """Texts after their fixes, how many fixes were applied, and what is still found."""

    texts: Texts
    count: int
    linted: Linted


def mend(texts: Texts, check: Callable[[Texts], Linted], *, unsafe: bool) -> Mended:
    """Apply every safe fix, with `unsafe` the others too; nothing is written.

    Raises `CompilerBug` where a fix leaves a text that can no longer be read, or where fixes never come to an end.
    """
    linted, count = check(texts), 0
    for _ in range(MAX_ROUNDS):
        fixes = list(applicable(texts, linted, unsafe=unsafe))
        if not fixes:
            return Mended(texts, count, linted)
        mended, taken = texts.edited(fixes)
        after = check(mended)
        for place, source in mended.sources.items():
            if source is not texts.sources[place] and _can_be_read(texts.sources[place]) and not _can_be_read(source):
                raise CompilerBug(f"a fix leaves a text that cannot be read ({fixes[0].title}); nothing is written")
        texts, linted, count = mended, after, count + taken
    raise CompilerBug("fixes never come to an end; nothing is written")


def applicable(texts: Texts, linted: Linted, *, unsafe: bool) -> Iterator[Fix]:
    """The fixes that may be applied, each once."""
    seen = set()
    for item in linted.found:
        fix = item.fix
        if fix is None or fix in seen or not (fix.safe or unsafe):
            continue
        if texts.may_change(item.span.source) and _all_agree(item, linted):
            seen.add(fix)
            yield fix


def _all_agree(item: Diagnostic, linted: Linted) -> bool:
    """Whether every model that a piece of advice's file is part of is given it: what one has no use for another may."""
    if item.severity is Severity.ERROR or isinstance(item, UnusedSuppression):
        return True
    return all(
        any(_same(item, found) for found in model.diagnostics) for model in linted.judged if _part_of(item, model)
    )


def _part_of(item: Diagnostic, model: Judged) -> bool:
    place = place_of(item.span.source)
    return any(place_of(source) == place for source in model.sources)


def _same(one: Diagnostic, other: Diagnostic) -> bool:
    """Whether two models are told the same of the same place, which each may name in its own way."""
    places = (place_of(one.span.source), one.span.start), (place_of(other.span.source), other.span.start)
    return places[0] == places[1] and (one.code, one.message) == (other.code, other.message)


def _can_be_read(source: Source) -> bool:
    return not parse_document(source).diagnostics


def offer(texts: Texts, linted: Linted) -> str:
    """How many findings could be mended, and by which option; empty where none could."""
    fixes = list(applicable(texts, linted, unsafe=True))
    safe = sum(fix.safe for fix in fixes)
    unsafe = len(fixes) - safe
    if not unsafe:
        return f"{safe} can be mended with --fix" if safe else ""
    unsafely = "with --fix --unsafe-fixes: read what it changes"
    if not safe:
        return f"{unsafe} can be mended {unsafely}"
    return f"{safe} can be mended with --fix, {unsafe} more {unsafely}"
