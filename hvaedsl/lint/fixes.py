"""Fixes, applied: those that do not touch each other at once, then linted again, until none is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, Severity
from hvaedsl.diagnostics.errors import CompilerBug
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source
from hvaedsl.diagnostics.suppressions import UnusedSuppression
from hvaedsl.lint.cache import Judged
from hvaedsl.lint.spec_files import Linted
from hvaedsl.lint.texts import Places, Texts
from hvaedsl.syntax.parser import parse_document

MAX_ROUNDS = 100


class Mended(Record):
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
            before = texts.sources[place]
            if source is not before and not _can_be_read(source) and _can_be_read(before):
                raise CompilerBug(f"a fix leaves a text that cannot be read ({fixes[0].title}); nothing is written")
        texts, linted, count = mended, after, count + taken
    raise CompilerBug("fixes never come to an end; nothing is written")


def applicable(texts: Texts, linted: Linted, *, unsafe: bool) -> Iterator[Fix]:
    """The fixes that may be applied, each once."""
    seen = set()
    told = _Told(linted.judged)
    for item in linted.found:
        fix = item.fix
        if fix is None or fix in seen or not (fix.safe or unsafe):
            continue
        if texts.may_change(item.span.source) and told.to_all(item):
            seen.add(fix)
            yield fix


class _Told:
    """What the models are told of the files that they are part of, whatever each of them calls a file."""

    def __init__(self, models: Iterable[Judged]) -> None:
        self._places = Places()
        self._of_models: dict[Path, list[set[tuple[object, ...]]]] = {}
        for model in models:
            told = {self._key(item) for item in model.diagnostics}
            for place in {self._places[source] for source in model.sources}:
                self._of_models.setdefault(place, []).append(told)

    def to_all(self, item: Diagnostic) -> bool:
        """Whether every model that advice's file is part of is given it: what one has no use for another may."""
        if item.severity is Severity.ERROR or isinstance(item, UnusedSuppression):
            return True
        return all(self._key(item) in told for told in self._of_models.get(self._places[item.span.source], ()))

    def _key(self, item: Diagnostic) -> tuple[object, ...]:
        return self._places[item.span.source], item.span.start, item.code, item.message


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
