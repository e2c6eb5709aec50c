"""Notations of other languages: each is reported with its fix, and read as what it means, so that no error follows.

The repaired text has the length of the source, so that every token keeps its place: what means nothing here becomes
white space, and what cannot be written in the same length becomes one placeholder token, which is not reported again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hvaedsl.diagnostics.characters import UnexpectedCharacter, is_invisible
from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Label, insertion, separator_removal
from hvaedsl.diagnostics.notation import (
    BracedConstant,
    CausalGenList,
    DottedKey,
    ForeignComment,
    MissingQuotes,
    Semicolon,
    SingleQuotes,
    SpacedEntry,
)
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.diagnostics.syntax import UnclosedString

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_COUNT = rf"(?:[0-9]+|\${_NAME})"
_STAGE = r"[0-9]+b[0-9]+(?:d[0-9]+)?"
_PATTERN = re.compile(
    rf"""
      (?P<string>   "(?:\\[^\r\n]|[^"\\\r\n])*" )
    | (?P<unclosed> "[^\r\n]* )
    | (?P<comment>  \#[^\r\n]* )
    | (?P<line_comment>  //[^\r\n]* )
    | (?P<long_comment>  /\* )
    | (?P<single>   '[^'\r\n]*' )
    | (?P<braced>   \$\{{[ \t]*(?P<name>{_NAME})[ \t]*\}} )
    | (?P<semicolon> ;(?:[ \t]*;)* )
    | (?P<dotted>   (?<![\w.$]) {_NAME}(?:\.{_NAME})+ (?=[ \t]*=) )
    | (?P<value>    (?:=|\bextends\b)[ \t]* )
      (?P<path>     (?: [A-Za-z]:(?=[/\\]) | (?:~|\.\.?)?(?=[/\\](?![/*])) | [A-Za-z_][\w-]* )
                    (?: [\w.~%+@:-] | [/\\](?![/*]) )* )
    | (?P<spaced>   (?<![\w.$]) (?: [0-9]+[ \t]+[xrdm][ \t]*{_COUNT} | [0-9]+[xrdm][ \t]+{_COUNT} )
                    (?![\w.$]|[ \t]*[={{:(]) )
    | (?P<stages>   (?<![\w.$]) {_STAGE} (?:\s*,\s*{_STAGE})* (?![\w.$]) )
    """,
    re.VERBOSE,
)
_SUSPICIOUS = re.compile(
    r"""[^\x00-\x7f]|[\x0b\x1c-\x1f]|["';/\\~:]|\$\{|\.[A-Za-z]|[0-9]b[0-9]|[0-9] +[xrdm]|[xrdm] +[0-9$]"""
)
_OUTSIDE_TEXT = re.compile(r"""(?P<skip>"(?:\\[^\r\n]|[^"\\\r\n])*"|#[^\r\n]*)|(?P<odd>[^\x00-\x7f]|[\x0b\x1c-\x1f])""")
_AFTER_STATEMENT = re.compile(rf"(?:[\s;]|\#[^\r\n]*){{0,99}}(?:\Z|\}}|(?:{_NAME})\s*[={{]|(?:let|extends|hvae)\b)")
_FILE_OR_PART = re.compile(r"[\w.]+:[A-Za-z_]\w*|[\w-]+(?:\.[\w-]+)*\.[A-Za-z][\w-]*|.*[/\\].*")
_STACK = re.compile(r"\b(encoder|decoder)\s*=\s*\Z")
_LINE_BREAK = re.compile(r"\r\n?|\n")
_NOTHING_BEHIND = re.compile(r"[ \t]*(?:[\r\n#]|\Z)")
_ESCAPED_QUOTE_AT_END = re.compile(r"""\\"(?=[\s})\],]*(?:#.*)?\Z)""")
_MOST_LABELS, _MOST_PLACES = 8, 5_000


class Repaired(Record):
    """A text to parse in place of the source, what was reported about it, and the offsets of placeholder tokens."""

    text: str
    diagnostics: tuple[Diagnostic, ...] = ()
    placeholders: frozenset[int] = frozenset()


def repair(source: Source) -> Repaired:
    """The source with every foreign notation read as what it means here."""
    if _SUSPICIOUS.search(source.text) is None:
        return Repaired(source.text)

    repairer = _Repairer(source)
    moved = repairer.strange_characters()
    if not moved:  # else the places of the other notations are those in a text that the user does not have
        repairer.notations()
    found = tuple(group.diagnostic() for group in repairer.groups.values())
    return Repaired("".join(repairer.letters), found, frozenset(repairer.placeholders))


@dataclass
class _Group:
    """Findings with one cause: the first one is the diagnostic, and its fix changes all of their places."""

    make: Callable[[Span, tuple[Label, ...], tuple[str, ...], Fix | None], Diagnostic]
    title: str
    safe: bool
    spans: list[Span] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)

    def add(self, source: Source, start: int, end: int, edits: Sequence[tuple[int, int, str]]) -> None:
        """Add one place; a file that is full of them is not a spec, and its other places are not collected."""
        if len(self.spans) < _MOST_PLACES:
            self.spans.append(source.span(start, end))
            self.edits += [Edit(source.span(first, last), text) for first, last, text in edits]

    def diagnostic(self) -> Diagnostic:
        """The diagnostic of all places."""
        first, *others = self.spans
        labels = tuple(Label(span, "also here") for span in others[:_MOST_LABELS])
        more = len(others) - len(labels)
        notes = (f"and {more:,} more of them in this file",) if more else ()
        fix = Fix(self.title, tuple(self.edits), self.safe) if self.edits else None
        return self.make(first, labels, notes, fix)


class _Repairer:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.letters = list(source.text)
        self.groups: dict[object, _Group] = {}
        self.placeholders: set[int] = set()
        self.last_closing = source.text.rfind("*/")  # so that a file full of `/*` is not searched again and again

    # --- characters

    def strange_characters(self) -> bool:
        """Read unusual spaces as spaces, and remove invisible characters; whether any letters were moved for that."""
        invisible = []
        for found in _OUTSIDE_TEXT.finditer(self.source.text):
            letter, at = found["odd"], found.start()
            if letter is None or (at == 0 and letter == "\ufeff"):
                continue
            if letter.isspace():
                self._character(letter, at, " ")
            elif is_invisible(letter):
                self._character(letter, at, "")
                invisible.append(at)
        return self._close_gaps(invisible)

    def _character(self, letter: str, at: int, replacement: str) -> None:
        def make(span: Span, labels: tuple[Label, ...], notes: tuple[str, ...], fix: Fix | None) -> Diagnostic:
            return UnexpectedCharacter(span=span, found=letter, secondary=labels, notes=notes, fix=fix)

        title = "write a plain space" if replacement else "remove it"
        self._add(("character", letter), make, title, at, at + 1, replacement, safe=True)
        self.letters[at] = " "

    def _close_gaps(self, invisible: Sequence[int]) -> bool:
        """Move the parts of words together that invisible characters separate; whether there are any."""
        runs: dict[int, int] = {}  # start and end of adjacent invisible characters
        start = -1
        for at in invisible:
            start = start if runs.get(start) == at else at
            runs[start] = at + 1
        inside = {start: end for start, end in runs.items() if self._is_word(start - 1) and self._is_word(end)}

        end = -1
        for start in inside:
            if start < end:  # in the same word as the run before
                continue
            kept, end = [], start
            while end in inside or self._is_word(end):
                if end in inside:
                    end = inside[end]
                else:
                    kept.append(self.letters[end])
                    end += 1
            self.letters[start:end] = kept + [" "] * (end - start - len(kept))
        return bool(inside)

    def _is_word(self, at: int) -> bool:
        text = self.source.text
        return 0 <= at < len(text) and (text[at].isalnum() or text[at] in "_$.") and not is_invisible(text[at])

    # --- notations

    def notations(self) -> None:
        """Repair all notations, in the order of the text."""
        text, at = "".join(self.letters), 0
        while found := _PATTERN.search(text, at):
            kind, at = found.lastgroup, found.end()
            if kind == "path":
                if not self._path(found):
                    at = found.end("value")  # a word, in which other notations may follow
            elif kind == "long_comment":
                at = self._long_comment(found)
            elif kind not in ("string", "comment"):
                getattr(self, f"_{kind}")(found)

    def _line_comment(self, found: re.Match[str]) -> None:
        start, mark = found.start(), found[0][:2]
        self._comment(mark, start, found.end(), [(start, start + 2, "#")])

    def _long_comment(self, found: re.Match[str]) -> int:
        """A comment to its `*/`, or to the end of its line if there is none. Returns its end."""
        text, start = self.source.text, found.start()
        closing = text.find("*/", start + 2) if start < self.last_closing else -1
        if closing < 0:
            end_of_line = _LINE_BREAK.search(text, start)
            end = end_of_line.start() if end_of_line else len(text)
            self._comment("/*", start, end, [(start, start + 2, "#")])
            return end

        # The text behind the comment needs a line of its own.
        behind = _NOTHING_BEHIND.match(text, closing + 2)
        breaks = [each.end() for each in _LINE_BREAK.finditer(text, start, closing)]
        edits = [(start, start + 2, "#"), *((at, at, "# ") for at in breaks)]
        self._comment("/*", start, closing + 2, [*edits, (closing, closing + 2, "" if behind else "\n")])
        return closing + 2

    def _comment(self, mark: str, start: int, end: int, edits: list[tuple[int, int, str]]) -> None:
        def make(span: Span, labels: tuple[Label, ...], notes: tuple[str, ...], fix: Fix | None) -> Diagnostic:
            return ForeignComment(
                span=span, mark="//" if mark == "//" else "/*", secondary=labels, notes=notes, fix=fix
            )

        group = self.groups.setdefault(("comment", mark), _Group(make, "start the comment with `#`", safe=True))
        group.add(self.source, start, start + 2, edits)
        self._blank(start, end)

    def _single(self, found: re.Match[str]) -> None:
        start, end = found.span()
        content = found[0][1:-1].replace("\\", "/").replace('"', "'")
        replacement = f'"{content}"'
        span = self.source.span(start, end)
        fix = Fix(f"write `{replacement}`", (Edit(span, replacement),))
        self.groups[start] = _fixed(SingleQuotes(span=span, replacement=replacement, fix=fix))
        self.letters[start:end] = replacement

    def _braced(self, found: re.Match[str]) -> None:
        start, end = found.span()
        name, text = found["name"], found[0]

        def make(span: Span, labels: tuple[Label, ...], notes: tuple[str, ...], fix: Fix | None) -> Diagnostic:
            return BracedConstant(span=span, text=text, name=name, secondary=labels, notes=notes, fix=fix)

        self._add("braced", make, "remove the braces", start, end, f"${name}", safe=True)
        self._write(start, end, f"${name}")

    def _semicolon(self, found: re.Match[str]) -> None:
        start, end = found.span()
        in_list = _AFTER_STATEMENT.match(self.source.text, end) is None

        def make(span: Span, labels: tuple[Label, ...], notes: tuple[str, ...], fix: Fix | None) -> Diagnostic:
            return Semicolon(span=span, in_list=in_list, secondary=labels, notes=notes, fix=fix)

        replacement = "," if in_list else separator_removal(self.source.span(start, end)).replacement
        title = "write commas" if in_list else "remove it"
        self._add(("semicolon", in_list), make, title, start, end, replacement, safe=True)
        self._write(start, end, replacement.strip())

    def _spaced(self, found: re.Match[str]) -> None:
        (start, end), text = found.span(), found[0]
        replacement = re.sub(r"[ \t]+", "", text)

        def make(span: Span, labels: tuple[Label, ...], notes: tuple[str, ...], fix: Fix | None) -> Diagnostic:
            return SpacedEntry(span=span, text=text, replacement=replacement, secondary=labels, notes=notes, fix=fix)

        self._add("spaced", make, "remove the spaces", start, end, replacement)
        self._write(start, end, replacement)

    def _stages(self, found: re.Match[str]) -> None:
        """A block list of causal-gen; one of its entries with K of two digits is read differently there."""
        (start, end), text = found.span(), found[0]
        stages = re.findall(r"([0-9]+)b([0-9]+)(?:d([0-9]+))?", text)
        before = _STACK.search(self.source.text, max(0, start - 80), start)
        is_encoder = before[1] == "encoder" if before else any(factor for _, _, factor in stages)
        entries = _encoder(stages) if is_encoder else _decoder(stages)

        replacement, span = ", ".join(entries), self.source.span(start, end)
        fix = Fix(f"write `{replacement}`", (Edit(span, replacement),)) if entries else None
        self.groups[start] = _fixed(
            CausalGenList(
                span=span,
                text=_short(text),
                stack="encoder" if is_encoder else "decoder",
                replacement=replacement,
                fix=fix,
            )
        )
        self._placeholder(start, end)

    def _path(self, found: re.Match[str]) -> bool:
        """A file name or a reference to a custom part without quotes; False for anything else."""
        (start, end), text = found.span("path"), found["path"]
        if not _FILE_OR_PART.fullmatch(text):
            return False

        written = text.replace("\\", "/")
        span = self.source.span(start, end)
        edits = (
            (Edit(span, f'"{written}"'),)
            if written != text
            else (
                insertion(self.source, start, '"'),
                insertion(self.source, end, '"'),
            )
        )
        fix = Fix(f'write `"{written}"`', edits)
        self.groups[start] = _fixed(MissingQuotes(span=span, text=_short(text), replacement=f'"{written}"', fix=fix))
        self._placeholder(start, end)
        return True

    def _dotted(self, found: re.Match[str]) -> None:
        """A key with its section, as the command line writes it."""
        span = self.source.span(*found.span())
        self.groups[span.start] = _fixed(DottedKey(span=span, dotted=found[0]))
        self._placeholder(span.start, span.end)

    def _unclosed(self, found: re.Match[str]) -> None:
        """A string without an end, which is assumed before closing braces at the end of the line."""
        start, text = found.start(), found[0]
        escaped = _ESCAPED_QUOTE_AT_END.search(text)
        end = start + (escaped.end() if escaped else max(1, len(text.rstrip("} \t"))))
        span, fix = self.source.span(start, end), None
        if escaped:
            written = span.text.replace("\\", "/")
            fix = Fix(f"write `{written}`", (Edit(span, written),))
        self.groups[start] = _fixed(UnclosedString(span=span, ends_in_backslash=escaped is not None, fix=fix))
        self._placeholder(start, end)

    # --- the repaired text

    def _add(
        self,
        key: object,
        make: Callable[[Span, tuple[Label, ...], tuple[str, ...], Fix | None], Diagnostic],
        title: str,
        start: int,
        end: int,
        replacement: str,
        *,
        safe: bool = False,
    ) -> None:
        group = self.groups.setdefault(key, _Group(make, title, safe))
        group.add(self.source, start, end, [(start, end, replacement)])

    def _write(self, start: int, end: int, text: str) -> None:
        self.letters[start:end] = text.ljust(end - start)

    def _blank(self, start: int, end: int) -> None:
        self.letters[start:end] = [letter if letter in "\r\n" else " " for letter in self.letters[start:end]]

    def _placeholder(self, start: int, end: int) -> None:
        self.letters[start:end] = "0" + "Z" * (end - start - 1) if end - start > 1 else "?"
        self.placeholders.add(start)


def _fixed(diagnostic: Diagnostic) -> _Group:
    """A group of one finding, which has its fix already."""
    return _Group(lambda *_: diagnostic, "", safe=False, spans=[diagnostic.span])


def _encoder(stages: list[tuple[str, str, str]]) -> list[str]:
    entries: list[str] = []
    for resolution, blocks, factor in stages:
        if len(factor) > 1:
            return []
        entries += [f"{resolution}x{int(blocks)}"] if int(blocks) else []
        entries += [f"{resolution}d{factor}"] if factor else []
    return entries


def _decoder(stages: list[tuple[str, str, str]]) -> list[str]:
    entries: list[str] = []
    before = ""
    for resolution, blocks, factor in stages:
        count = int(blocks)
        if factor or not count:
            return []
        if before and int(before) < int(resolution):
            entries.append(f"{resolution}m{before}")
            count -= 1
        entries += [f"{resolution}x{count}"] if count else []
        before = resolution
    return entries


def _short(text: str) -> str:
    shown = " ".join(text.split())
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
