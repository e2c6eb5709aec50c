"""Lint several specs, from the cache or in several processes; keys that a base leaves out are not errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from hvaedsl.custom.importing import CustomParts
from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source
from hvaedsl.elaborate.bases import Bases, Read, SharedBases
from hvaedsl.lint.cache import CacheKey, LintCache, LintResult, lint_result
from hvaedsl.syntax.text import read_source

if TYPE_CHECKING:
    from hvaedsl.program import Overrides

# Returns the custom parts that may be imported for a file; None for none.
AllowCustom = Callable[[str], CustomParts | None]
# Codes that say nothing about a base: the specs that extend it give missing keys, and use its constants.
FOR_CHILDREN = frozenset(("HV207", "HV514"))


def no_custom(_: str) -> None:
    """Allow no custom parts."""


class Linted(Record):
    """The diagnostics of several specs, and the result of each."""

    found: tuple[Diagnostic, ...]
    results: tuple[LintResult, ...]


def lint_sources(
    sources: Iterable[Source],
    *,
    sets: Overrides | None = None,
    lets: Overrides | None = None,
    custom: AllowCustom = no_custom,
    read: Read = read_source,
    cache: LintCache | None = None,
    processes: int = 1,
) -> Linted:
    """Lint specs, from the cache if possible; `read` returns the texts of their bases.

    Missing keys are not reported in a spec that another one extends. The errors of a base, which every spec that
    extends it has, are reported once. The result is the same with any number of processes.
    """
    cache = cache or LintCache(None)
    bases = SharedBases(read)
    results: dict[int, LintResult] = {}
    missing: dict[int, _Question] = {}
    refusal: UsageError | None = None
    for number, source in enumerate(sources):
        try:
            allowed = custom(source.name)
        except UsageError as error:  # raised when the specs before it have been compiled, as if one followed the other
            refusal = error
            break
        key = CacheKey(source, sets or {}, lets or {}, allowed is not None)
        result = cache.recall(key, bases)
        if result is None:
            missing[number] = _Question(key, allowed)
        else:
            results[number] = result

    if missing:
        results |= _compiled(missing, bases, cache, processes)
        cache.prune()
    if refusal is not None:
        raise refusal

    ordered = [results[number] for number in sorted(results)]
    paths = {base.path for item in ordered for base in item.sources[:-1] if base.path is not None}
    extended = {path.resolve() for path in paths}
    found = {
        (diagnostic.code, diagnostic.span, diagnostic.message): diagnostic
        for item in ordered
        for diagnostic in item.diagnostics
    }
    given = tuple(item for item in found.values() if not is_allowed_in_base(item, extended))
    return Linted(given, tuple(ordered))


def is_allowed_in_base(item: Diagnostic, bases: set[Path]) -> bool:
    """Whether a finding says nothing about a spec because others extend it."""
    path = item.span.source.path
    return item.code in FOR_CHILDREN and path is not None and path.resolve() in bases


class _Question(Record):
    """A spec to compile, and the custom parts that it may import."""

    key: CacheKey
    custom: CustomParts | None


def _compiled(
    missing: dict[int, _Question],
    bases: Bases,
    cache: LintCache,
    processes: int,
) -> dict[int, LintResult]:
    """The results of specs, which are remembered."""
    from hvaedsl.program import compile_source  # the compiler is not imported for cached results

    def compiled(question: _Question) -> LintResult:
        key = question.key
        compilation = compile_source(key.source, sets=key.sets, lets=key.lets, custom=question.custom, bases=bases)
        cache.remember(key, compilation)
        return lint_result(compilation)

    # The first spec imports what the others need; custom parts may start threads and print.
    first, *others = missing
    results = {first: compiled(missing[first])}
    plain = [number for number in others if missing[number].custom is None]
    if processes > 1 and plain and missing[first].custom is None:
        from hvaedsl.lint.processes import shared
        from hvaedsl.lint.task import Compiling

        asked = [missing[number] for number in plain]
        task = Compiling([question.key.source for question in asked], lambda at: compiled(asked[at]))
        results |= {plain[at]: result for at, result in shared(task, len(plain), processes).items()}
    return results | {number: compiled(missing[number]) for number in others if number not in results}
