"""A text while it is repaired: its letters, the findings about it, and the offsets of placeholder tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Label
from hvaedsl.diagnostics.span import Source, Span

_MOST_LABELS = 8
_MOST_PLACES = 5_000  # a file with more of one kind is not a spec; its other places are repaired but not collected

Edits = Sequence[tuple[int, int, str]]  # start, end and replacement


class Repairs:
    """The repaired text has the length of the source, so that every token keeps its place."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.letters = list(source.text)
        self.placeholders: set[int] = set()
        self._groups: dict[object, _Group] = {}

    @property
    def text(self) -> str:
        """The text as it is repaired so far."""
        return "".join(self.letters)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The findings, one for each cause, in the order of their first places."""
        return tuple(group.diagnostic() for group in self._groups.values())

    @property
    def is_full(self) -> bool:
        """Whether the text has more findings than a spec could have; the rest of it is left as it is."""
        return len(self._groups) >= _MOST_PLACES

    def span(self, start: int, end: int) -> Span:
        """A place in the source."""
        return self.source.span(start, end)

    def report(self, diagnostic: Diagnostic) -> None:
        """Report a finding of its own."""
        self._groups[diagnostic.span.start] = _Group(diagnostic, "", safe=False)

    def report_one_of(self, cause: object, diagnostic: Diagnostic, title: str, edits: Edits, *, safe: bool) -> None:
        """Report a finding that a file may have in many places; the fix of the first one changes them all."""
        group = self._groups.setdefault(cause, _Group(diagnostic, title, safe))
        if len(group.places) < _MOST_PLACES:
            group.places.append(diagnostic.span)
            group.edits += [Edit(self.span(start, end), replacement) for start, end, replacement in edits]

    def write(self, start: int, end: int, text: str) -> None:
        """Write a shorter text in a range, and spaces behind it."""
        self.letters[start:end] = text.ljust(end - start)

    def blank(self, start: int, end: int) -> None:
        """Write spaces in a range; line breaks stay."""
        self.letters[start:end] = [letter if letter in "\r\n" else " " for letter in self.letters[start:end]]

    def hold_place(self, start: int, end: int) -> None:
        """Write one token that is not part of the language, and which the parser does not report again."""
        self.letters[start:end] = "0" + "Z" * (end - start - 1) if end - start > 1 else "?"
        self.placeholders.add(start)


@dataclass
class _Group:
    """Findings with one cause."""

    first: Diagnostic
    title: str  # of the fix; empty if the finding has its own
    safe: bool
    places: list[Span] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)

    def diagnostic(self) -> Diagnostic:
        """The first finding, with a label at each of the others."""
        if not self.places:
            return self.first
        others = self.places[1:]
        labels = tuple(Label(span, "also here") for span in others[:_MOST_LABELS])
        more = len(others) - len(labels)
        notes = (f"and {more:,} more of them in this file",) if more else ()
        return replace(
            self.first, secondary=labels, notes=notes, fix=Fix(self.title, tuple(self.edits), safe=self.safe)
        )
