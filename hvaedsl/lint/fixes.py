"""Apply fixes in rounds: those that do not touch each other, then lint again, until none is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, Severity
from hvaedsl.diagnostics.errors import CompilerBug
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source
from hvaedsl.diagnostics.suppressions import UnusedSuppression
from hvaedsl.lint.cache import LintResult
from hvaedsl.lint.linted import Linted
from hvaedsl.lint.texts import Places, Texts
from hvaedsl.syntax.parser import parse_document

MAX_ROUNDS = 100


class Fixed(Record):
    """The fixed texts, the number of applied fixes, and the diagnostics that remain."""

    texts: Texts
    count: int
    linted: Linted


def apply_fixes(texts: Texts, check: Callable[[Texts], Linted], *, unsafe: bool) -> Fixed:
    """Apply all safe fixes, and with `unsafe` also the others, without writing the files.

    After `MAX_ROUNDS` the remaining fixes are left to another run. Raises `CompilerBug` if a fix makes a text
    unreadable, or if fixes restore a text that they have changed before.
    """
    linted, count = check(texts), 0
    before = {_state(texts)}
    for _ in range(MAX_ROUNDS):
        fixes = list(applicable(texts, linted, unsafe=unsafe))
        if not fixes:
            break

        fixed, applied = texts.edited(fixes)
        for place, source in fixed.sources.items():
            if source is not texts.sources[place] and not _is_readable(source) and _is_readable(texts.sources[place]):
                raise CompilerBug(f"a fix makes a spec unreadable ({fixes[0].title}); no file was changed")

        # Every round is progress, so that the loop ends: no round leads back to an earlier one.
        state = _state(fixed)
        if state in before:
            raise CompilerBug(f"a fix undoes another one ({fixes[0].title}); no file was changed")
        before.add(state)
        texts, linted, count = fixed, check(fixed), count + applied
    return Fixed(texts, count, linted)


def _state(texts: Texts) -> tuple[str, ...]:
    return tuple(source.text for source in texts.sources.values())


def applicable(texts: Texts, linted: Linted, *, unsafe: bool) -> Iterator[Fix]:
    """Yield the fixes that may be applied, each once."""
    seen = set()
    advice = _AdviceOfModels(linted.results)
    for item in linted.found:
        fix = item.fix
        if fix is None or fix in seen or not (fix.safe or unsafe):
            continue
        if texts.may_change(item.span.source) and advice.is_common(item):
            seen.add(fix)
            yield fix


class _AdviceOfModels:
    """The diagnostics of each model by the files that it consists of, identified by path."""

    def __init__(self, models: Iterable[LintResult]) -> None:
        self._places = Places({})
        self._of_models: dict[Path, list[set[tuple[object, ...]]]] = {}
        for model in models:
            found = {self._key(item) for item in model.diagnostics}
            for place in {self._places[source] for source in model.sources}:
                self._of_models.setdefault(place, []).append(found)

    def is_common(self, item: Diagnostic) -> bool:
        """Whether every model with the file gets the advice; otherwise a fix could remove what another model uses."""
        if item.severity is Severity.ERROR or isinstance(item, UnusedSuppression):
            return True
        return all(self._key(item) in found for found in self._of_models.get(self._places[item.span.source], ()))

    def _key(self, item: Diagnostic) -> tuple[object, ...]:
        return self._places[item.span.source], item.span.start, item.code, item.message


def _is_readable(source: Source) -> bool:
    return not parse_document(source).diagnostics


def fix_summary(texts: Texts, linted: Linted) -> str:
    """Return how many diagnostics can be fixed and with which option; empty if none can."""
    fixes = list(applicable(texts, linted, unsafe=True))
    safe = sum(fix.safe for fix in fixes)
    unsafe = len(fixes) - safe
    if not unsafe:
        return f"{safe} can be fixed with --fix" if safe else ""
    unsafely = "with --fix --unsafe-fixes (review the changes)"
    if not safe:
        return f"{unsafe} can be fixed {unsafely}"
    return f"{safe} can be fixed with --fix, {unsafe} more {unsafely}"
