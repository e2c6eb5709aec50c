"""The base class of diagnostics, their severity, labels, fixes and edits, and the wording of suggestions.

Each kind is a subclass, in `hvaedsl.rules` beside the check that yields it, or in this package. Its code, severity and
templates are class attributes; the data of one finding are its fields. For `hvaedsl explain` it has the reason (`why`),
a bad and a good snippet, and for advice its evidence (`rests_on`) and when it is checked (`configuration`). A kind
needs no decorator: `Record` makes it a frozen dataclass with its first finding.

A help that quotes code to write has that code in an edit: `fix`, which `lint --fix` applies, or one of `suggestions`,
which only the author can choose. Editors offer both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar, dataclass_transform

from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source, Span

_LONGEST = 400  # code points of one field in a sentence; names and paths can have any length


class Severity(StrEnum):
    """An error stops compilation; advice does not."""

    ERROR = "error"
    ADVICE = "advice"


class Label(Record):
    """A secondary place that explains a finding."""

    span: Span
    text: str


class Edit(Record):
    """Replacement of the text at `span`."""

    span: Span
    replacement: str


def edited(text: str, edits: Iterable[Edit]) -> str:
    """Apply edits that do not overlap to the text of their source; of two at one place, an insertion comes first."""
    for edit in sorted(edits, key=lambda item: (item.span.start, item.span.end), reverse=True):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text


def removal(span: Span) -> Edit:
    """Remove `span` and the white space before it, or whole lines if nothing else is on them."""
    text = span.source.text

    # Extend the range over the blanks on both sides.
    start, end = span.start, span.end
    while start and text[start - 1] in " \t":
        start -= 1
    after = end
    while after < len(text) and text[after] in " \t":
        after += 1

    begins_line = start == 0 or text[start - 1] in "\r\n"
    line_break = "\r\n" if text.startswith("\r\n", after) else text[after : after + 1]
    if begins_line and line_break in ("\r\n", "\n", "\r", ""):
        end = after + len(line_break)
    elif begins_line:
        start, end = span.start, after  # the rest of the line moves to the start of the removed text
    return rewriting(span.source.span(start, end), "")


def rewriting(span: Span, text: str) -> Edit:
    """Write a text in place of `span`, with a space where it would become one word with the text beside it.

    A part of a word stays one.
    """
    source, old = span.source.text, span.text
    before, after = source[span.start - 1 : span.start] if span.start else "", source[span.end : span.end + 1]
    if not text:
        return Edit(span, " " if _in_word(before) and _in_word(after) else "")
    left = _in_word(before) and _in_word(text[0]) and bool(old) and not _in_word(old[0])
    right = _in_word(text[-1]) and _in_word(after) and bool(old) and not _in_word(old[-1])
    return Edit(span, f"{' ' * left}{text}{' ' * right}")


def _in_word(letter: str) -> bool:
    return letter.isalnum() or letter in ("_", "$", ".")


def insertion(source: Source, at: int, text: str) -> Edit:
    """Insert a text before the code point `at`."""
    return Edit(source.span(at, at), text)


def item_removals(items: Sequence[Span], gone: Collection[int]) -> tuple[Edit, ...]:
    """Remove items from a list, each with one comma; no edits if none would be left, or a comment is between them."""
    kept = [at for at in range(len(items)) if at not in gone]
    if not kept:
        return ()

    edits = []
    for at in gone:
        # An item is removed with the comma before it; the first ones, which have none, with the comma after.
        source = items[at].source
        behind_kept = kept[0] < at
        start, end = (items[at - 1].end, items[at].end) if behind_kept else (items[at].start, items[at + 1].start)
        between = source.text[start : items[at].start] if behind_kept else source.text[items[at].end : end]
        if "#" in between:
            return ()
        edits.append(Edit(source.span(start, end), ""))
    return tuple(edits)


class Fix(Record):
    """Edits that fix a finding, all in the finding's own file; a safe fix never changes the meaning of the spec."""

    title: str
    edits: tuple[Edit, ...]
    safe: bool = False


def writing(span: Span, text: str, *, shown: str = "", safe: bool = False) -> Fix:
    """The fix that replaces the text at `span`; its title quotes the new text, or `shown` for a part of a whole."""
    return Fix(f"write `{shown or text}`", (rewriting(span, text),), safe=safe)


class _Fields(Mapping[str, Any]):
    """The fields and properties of a diagnostic, for `str.format_map`; long strings are cut."""

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
    """One finding. Subclasses are the kinds; see the module's docstring."""

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
    suggestions: tuple[Fix, ...] = ()  # other ways out: examples, or values of which the author chooses one

    @property
    def message(self) -> str:
        """The title, with this finding's data."""
        return self.title.format_map(_Fields(self))

    @property
    def label_text(self) -> str:
        """The text beside the underlined source; may be empty."""
        return self.label.format_map(_Fields(self))

    @property
    def help_text(self) -> str:
        """The way out; may be empty."""
        return self.help.format_map(_Fields(self))

    @property
    def ways_out(self) -> tuple[Fix, ...]:
        """The fix and the suggestions. Code that the help tells the author to write is in one of them."""
        return self.suggestions if self.fix is None else (self.fix, *self.suggestions)

    @property
    def example(self) -> str:
        """The proposal as an example: `write for example A or B`; empty if there is none."""
        verb, _, rest = self.proposal.partition(" ")
        return f"{verb} for example {rest}" if rest else ""

    @property
    def proposal(self) -> str:
        """The titles of the ways out in words, for the help: `write A or B`; empty if there are none."""
        titles = [way.title for way in self.ways_out]
        if all(title.startswith("write ") for title in titles):
            titles[1:] = [title.removeprefix("write ") for title in titles[1:]]
        return listing(titles)


def nearest(word: str, known: Iterable[str], most: int = 100) -> str | None:
    """The most similar known word, or None if none is similar; the case of letters does not count.

    Nothing is proposed among more than `most` words: a text may hold thousands of words that each ask for a proposal.
    """
    import difflib  # slow to import, and most runs suggest nothing

    in_lowercase: dict[str, str] = {}
    for name in known:
        in_lowercase.setdefault(name.lower(), name)
    if len(in_lowercase) > most:
        return None
    close = difflib.get_close_matches(word[:80].lower(), list(in_lowercase), n=1, cutoff=0.6)
    return in_lowercase[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean NAME?` with the most similar known word, or an empty string."""
    near = nearest(word, known)
    return f"did you mean `{near}`?" if near is not None else ""


def listing(words: Iterable[str], conjunction: str = "or") -> str:
    """The words joined for a sentence: `a, b or c`."""
    items = list(words)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {conjunction} {items[-1]}"
