"""What a diagnostic is: a frozen record of one finding, worded by templates.

Each kind is a subclass: in `hvaedsl.rules`, beside the check that yields it, or in this package. A kind has its code,
severity and templates as class attributes, the data of one finding as fields, and what `hvaedsl explain` prints: why it
is wrong, what that rests on and when it is checked (for advice), and a bad and a good snippet. A kind is a frozen
dataclass without saying so, and becomes one when the first finding of it is made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar, dataclass_transform

from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source, Span

_LONGEST = 400  # code points of one field in a sentence: names and paths can be of any length


class Severity(StrEnum):
    """An error stops compilation; advice does not."""

    ERROR = "error"
    ADVICE = "advice"


class Label(Record):
    """A second place that explains a finding."""

    span: Span
    text: str


class Edit(Record):
    """Replace what stands at `span` by `replacement`."""

    span: Span
    replacement: str


def taking_out(span: Span) -> Edit:
    """Take out what stands at `span`, with the white space before it; with its lines where nothing else is on them."""
    text = span.source.text
    start, end = span.start, span.end
    while start and text[start - 1] in " \t":
        start -= 1
    after = end
    while after < len(text) and text[after] in " \t\r":
        after += 1
    begins_line = start == 0 or text[start - 1] == "\n"
    if begins_line and text[after : after + 1] in ("\n", ""):
        end = after + len(text[after : after + 1])
    elif begins_line:
        start, end = span.start, after  # what follows moves up to where this stood
    return Edit(span.source.span(start, end), "")


def inserting(source: Source, at: int, text: str) -> Edit:
    """Write a text before the code point `at`."""
    return Edit(source.span(at, at), text)


def taking_items_out(items: Sequence[Span], gone: Collection[int]) -> tuple[Edit, ...]:
    """Take items out of a list, each with one comma; none where all are to go, or a comment stands between them."""
    kept = [at for at in range(len(items)) if at not in gone]
    if not kept:
        return ()
    edits = []
    for at in gone:
        source = items[at].source
        behind_kept = kept[0] < at
        start, end = (items[at - 1].end, items[at].end) if behind_kept else (items[at].start, items[at + 1].start)
        between = source.text[start : items[at].start] if behind_kept else source.text[items[at].end : end]
        if "#" in between:
            return ()
        edits.append(Edit(source.span(start, end), ""))
    return tuple(edits)


class Fix(Record):
    """Edits of the file that a finding is in, which mend it; a safe fix never changes what the spec means."""

    title: str
    edits: tuple[Edit, ...]
    safe: bool = False


class _Fields(Mapping[str, Any]):
    """The attributes of a diagnostic, properties included, as its templates name them."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self._diagnostic = diagnostic

    def __getitem__(self, key: str) -> Any:
        value = getattr(self._diagnostic, key)
        return f"{value[: _LONGEST - 1]}…" if isinstance(value, str) and len(value) > _LONGEST else value

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Diagnostic(Record, kw_only=True):
    """One finding. Subclasses are kinds; see the module's docstring."""

    code: ClassVar[str]
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[str]
    label: ClassVar[str] = ""
    help: ClassVar[str] = ""
    why: ClassVar[str]
    rests_on: ClassVar[str] = ""
    configuration: ClassVar[str] = ""
    bad: ClassVar[str]
    good: ClassVar[str]

    span: Span
    secondary: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    fix: Fix | None = None

    @property
    def message(self) -> str:
        """The title with this finding's data."""
        return self.title.format_map(_Fields(self))

    @property
    def label_text(self) -> str:
        """What stands beside the underlined source; may be empty."""
        return self.label.format_map(_Fields(self))

    @property
    def help_text(self) -> str:
        """The way out; may be empty."""
        return self.help.format_map(_Fields(self))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is nearest, or None where none is near."""
    import difflib  # slow to import, and most runs suggest nothing

    close = difflib.get_close_matches(word[:80], list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean NAME?` for the nearest known word, or an empty string where none is near."""
    near = nearest(word, known)
    return f"did you mean `{near}`?" if near is not None else ""


def listing(words: Iterable[str], conjunction: str = "or") -> str:
    """`a, b or c`, as a sentence wants it."""
    items = list(words)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {conjunction} {items[-1]}"
