"""The check of `hvaedsl lint`: errors, the selected advice, and unused ignore comments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvaedsl.diagnostics.record import Record
from hvaedsl.lint.cache import LintCache
from hvaedsl.lint.linted import AllowCustom, Linted, lint_sources, no_custom
from hvaedsl.lint.selection import Selection
from hvaedsl.lint.suppressions import unused_suppressions
from hvaedsl.lint.texts import Places, Texts

if TYPE_CHECKING:
    from hvaedsl.program import Overrides


class Check(Record):
    """Settings of lint: selected advice, command-line overrides, permission for custom parts, cache and processes."""

    selection: Selection
    sets: Overrides | None = None
    lets: Overrides | None = None
    custom: AllowCustom = no_custom
    cache: LintCache | None = None
    processes: int = 1

    def __call__(self, texts: Texts) -> Linted:
        """Lint the texts; the diagnostics are sorted by file and position.

        Raises `UsageError` if the configuration of a project cannot be read.
        """
        linted = lint_sources(
            texts.sources.values(),
            sets=self.sets,
            lets=self.lets,
            custom=self.custom,
            read=texts.read,
            cache=self.cache,
            processes=self.processes,
        )
        found = [*texts.unreadable, *linted.found]
        places, order = Places(texts.sources), {place: at for at, place in enumerate(texts.sources)}
        if not self.sets and not self.lets:  # with overrides, comments on other lines may be used
            found += unused_suppressions(linted.results, texts.sources, places)
        found.sort(
            key=lambda item: (
                order.get(places[item.span.source], len(order)),  # bases that are not linted come last
                item.span.source.name,
                item.span.start,
            )
        )
        return Linted(tuple(filter(self.selection.takes, found)), linted.results)
