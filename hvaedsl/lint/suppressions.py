"""Report unused (HV590) and invalid (HV591) comments `# hvae: ignore[...]`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, removal, writing
from hvaedsl.diagnostics.span import Source
from hvaedsl.diagnostics.suppressions import InvalidSuppression, UnusedSuppression
from hvaedsl.lint.cache import LintResult
from hvaedsl.lint.selectors import advice_codes
from hvaedsl.lint.texts import Places

if TYPE_CHECKING:
    from hvaedsl.syntax.suppression import Suppression

_OWN = {UnusedSuppression.code, InvalidSuppression.code}


def unused_suppressions(results: Sequence[LintResult], linted: Iterable[Path], places: Places) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each unused comment in the linted files.

    A comment in a base is used if it suppresses advice in any spec that extends the base. Files that are only part of
    specs with errors are skipped, because their advice is unknown.
    """
    included = set(linted)
    sound = [item for item in results if item.sound]
    used = {(places[found.span.source], found.span.line, found.code) for item in sound for found in item.suppressed}

    sources: dict[Path, Source] = {}
    for item in sound:
        for source in item.sources:
            if places[source] in included:
                sources.setdefault(places[source], source)

    for place, source in sources.items():
        for comment in _suppressions(source):
            if not comment.codes:
                invalid = InvalidSuppression(span=comment.span, text=comment.span.text)
                yield replace(invalid, suggestions=(writing(comment.span, invalid.written),))
            line = comment.span.line
            codes = [code for code, _ in comment.codes]
            unused = [at for at, code in enumerate(codes) if (place, line, code) not in used or code in codes[:at]]
            if unused and _OWN.isdisjoint(codes):
                yield _finding(source, comment, unused)


def _suppressions(source: Source) -> Iterator[Suppression]:
    """Yield the ignore comments of a text; the lexer is imported only if it may have one."""
    if "ignore" in source.text.lower():
        from hvaedsl.syntax.suppression import suppressions

        yield from suppressions(source)


def _finding(source: Source, comment: Suppression, unused: Sequence[int]) -> Diagnostic:
    codes = tuple(comment.codes[at][0] for at in unused)
    kept = [code for at, (code, _) in enumerate(comment.codes) if at not in unused]
    if kept:
        list_span = source.span(comment.codes[0][1].start, comment.codes[-1][1].end)
        fix = Fix(f"write `ignore[{', '.join(kept)}]`", (Edit(list_span, ", ".join(kept)),), safe=True)
        span = comment.codes[unused[0]][1]
    else:
        fix = Fix("remove the comment", (removal(comment.span),), safe=True)
        span = source.span(comment.span.start, source.text.index("]", comment.codes[-1][1].end) + 1)
    error = next((code for code in codes if code not in advice_codes()), "")
    return UnusedSuppression(span=span, unused=codes, error=error, kept=tuple(kept), fix=fix)
