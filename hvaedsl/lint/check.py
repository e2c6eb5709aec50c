"""What `hvaedsl lint` finds: every error, the advice that was selected, and comments that suppress nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvaedsl.diagnostics.record import Record
from hvaedsl.lint.cache import LintCache
from hvaedsl.lint.selection import Selection
from hvaedsl.lint.spec_files import Leave, Linted, lint_sources, no_custom
from hvaedsl.lint.suppressions import unused_suppressions
from hvaedsl.lint.texts import Places, Texts

if TYPE_CHECKING:
    from hvaedsl.program import Overrides


class Check(Record):
    """How to lint: overrides of the command line, leave to import one's own parts, and what advice is given."""

    selection: Selection
    sets: Overrides | None = None
    lets: Overrides | None = None
    custom: Leave = no_custom
    cache: LintCache | None = None

    def __call__(self, texts: Texts) -> Linted:
        """Lint the texts; what is found comes file by file, in the order of its places.

        Raises `UsageError` where a project's configuration cannot be read.
        """
        linted = lint_sources(
            texts.sources.values(),
            sets=self.sets,
            lets=self.lets,
            custom=self.custom,
            read=texts.read,
            cache=self.cache,
        )
        found = [*texts.unreadable, *linted.found]
        if not self.sets and not self.lets:  # with other values other lines are silenced
            found += unused_suppressions(linted.judged, texts.sources)
        places, order = Places(), {place: at for at, place in enumerate(texts.sources)}
        found.sort(
            key=lambda item: (
                order.get(places[item.span.source], len(order)),  # bases that are not linted come last
                item.span.source.name,
                item.span.start,
            )
        )
        return Linted(tuple(filter(self.selection.takes, found)), linted.judged, linted.compilations)
