"""Notations of other languages: each is reported with its fix, and read as what it means, so that no error follows.

The repaired text has the length of the source, so that every token keeps its place: what means nothing here becomes
white space, and what cannot be written in the same length becomes one placeholder token, which is not reported again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from hvaedsl.diagnostics.additions import in_section
from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, insertion, removal, rewriting, writing
from hvaedsl.diagnostics.notation import (
    BracedConstant,
    CausalGenList,
    DottedKey,
    FloorDivision,
    ForeignComment,
    MissingQuotes,
    Semicolon,
    SingleQuotes,
    SpacedEntry,
)
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source
from hvaedsl.diagnostics.syntax import UnclosedString, UnexpectedToken
from hvaedsl.syntax import causal_gen
from hvaedsl.syntax.characters import repair_characters
from hvaedsl.syntax.conflicts import repair_conflicts
from hvaedsl.syntax.repairs import Edits, Repairs
from hvaedsl.syntax.section_headers import repair_section_headers

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_COUNT = rf"(?:[0-9]+|\${_NAME})"
# What follows the value of a key on its line: its end, or the next key or section.
_VALUE_ENDS = rf"[ \t]*(?:[\r\n{{}}\#;']|\Z)|(?<![,(])[ \t]+{_NAME}[ \t]*[={{]"
_PATTERN = re.compile(
    rf"""
      (?P<string>   "(?:\\[^\r\n]|[^"\\\r\n])*" )
    | (?P<unclosed> "[^\r\n]* )
    | (?P<comment>  \#[^\r\n]* )
    | (?P<line_comment>  //[^\r\n]* )
    | (?P<long_comment>  /\* )
    | (?P<single>   (?<![0-9])'[^'\r\n]*' )
    | (?P<braced>   \$\{{[ \t]*(?P<name>{_NAME})[ \t]*\}} )
    | (?P<semicolon> ;(?:[ \t]*;)* )
    | (?P<dotted>   (?<![\w.$]) (?P<key>{_NAME}(?:\.{_NAME})+) [ \t]*=[ \t]*
                    (?P<rest>[^\s{{}}\#;'][^\r\n{{}}\#;']*?(?={_VALUE_ENDS}))? )
    | (?P<value>    (?:=|\bextends\b)[ \t]* )
      (?P<path>     (?: [A-Za-z]:(?=[/\\]) | (?:~|\.\.?)?(?=[/\\](?![/*])) | [A-Za-z_][\w-]* )
                    (?: [\w.~%+@:-] | [/\\](?![/*]) )* )
    | (?P<spaced>   (?<![\w.$]) (?: [0-9]+[ \t]+[xrdm][ \t]*{_COUNT} | [0-9]+[xrdm][ \t]+{_COUNT} )
                    (?![\w.$]|[ \t]*[={{:(]) )
    | (?P<glob>     (?<![\w.$]) (?P<weights>{_NAME}(?:\.\w+)*) \.\* (?![\w.*(]) )
    | (?P<stages>   (?<![\w.$]) {causal_gen.STAGE} (?:\s*,\s*{causal_gen.STAGE})* (?![\w.$]) )
    """,
    re.VERBOSE,
)
_SUSPICIOUS = re.compile(
    r"""[^\x00-\x7f]|[\x0b\x1c-\x1f]|["';/\\~:]|<{7}|={7}|>{7}|\|{7}|\[[A-Za-z]"""
    r"""|\$\{|\.[A-Za-z]|\.\*|[0-9]b[0-9]|[0-9] +[xrdm]|[xrdm] +[0-9$]"""
)
_AFTER_STATEMENT = re.compile(rf"(?:[\s;]|\#[^\r\n]*){{0,99}}(?:\Z|\}}|(?:{_NAME})\s*[={{]|(?:let|extends|hvae)\b)")
_FILE_OR_PART = re.compile(r"[\w.]+:[A-Za-z_]\w*|[\w-]+(?:\.[\w-]+)*\.[A-Za-z][\w-]*|.*[/\\].*")
_WEIGHTS = re.compile(r"\bfreeze[ \t]*\Z")
_WEIGHT_KEY = re.compile(r"\b(?:freeze|rates)\s*=[^=]*\Z")
_STACK = re.compile(r"\b(encoder|decoder)\s*=\s*\Z")
_LINE_BREAK = re.compile(r"\r\n?|\n")
_ENDS_NUMBER = re.compile(r"(?:[=*/+\-,(\s]|^)(?:[0-9_]+[kM]?|\$\w+)\s*\Z|\)\s*\Z")
_NUMBERS_ALONE = re.compile(
    rf"[\s(\-]*(?:[0-9_]+[kM]?|\${_NAME})(?:[\s()+*/\-]|[0-9_]+[kM]?|\${_NAME})*[\s}}]*(?:\#.*)?"
)
_NUMBER_IN_PARENTHESES = re.compile(rf"[\s(\-]*(?:[0-9_]+|\${_NAME})[^\r\n#]*\)")
_NOTHING_BEHIND = re.compile(r"[ \t]*(?:[\r\n#]|\Z)")
_COMMENT_BEHIND = re.compile(r"[ \t]\#.*", re.DOTALL)
_ESCAPED_QUOTE_AT_END = re.compile(r"""\\"(?=[\s})\],]*(?:#.*)?\Z)""")


_OPENING = re.compile(rf'"(?:\\[^\r\n]|[^"\\\r\n])*"|\#[^\r\n]*|\b({_NAME})\s*\{{')
_KEY = re.compile(rf"(?<![\w.$])({_NAME})\s*=")


class _Opening(Record):
    """The name and the brace that open a section."""

    name: str
    start: int
    end: int


class Repaired(Record):
    """A text to parse in place of the source, what was reported about it, and the offsets of placeholder tokens."""

    text: str
    diagnostics: tuple[Diagnostic, ...] = ()
    placeholders: frozenset[int] = frozenset()


def repair(source: Source, *, is_value: bool = False) -> Repaired:
    """The source with every foreign notation read as what it means here; `is_value` for a value without its key."""
    if _SUSPICIOUS.search(source.text) is None:
        return Repaired(source.text)

    repairs = Repairs(source)
    if not is_value:
        repair_conflicts(repairs)
    moved = repair_characters(repairs)
    if not moved:  # else the places of the other notations are those in a text that the user does not have
        if not is_value:
            repair_section_headers(repairs)
        _Notations(repairs).repair()
    return Repaired(repairs.text, repairs.diagnostics, frozenset(repairs.placeholders))


class _Notations:
    """Repairs all notations, in the order of the text; one method for each group of the pattern."""

    def __init__(self, repairs: Repairs) -> None:
        self.repairs = repairs
        self.text = repairs.text
        self.last_closing = self.text.rfind("*/")  # so that a file full of `/*` is not searched again and again

    def repair(self) -> None:
        """Find and repair the notations."""
        at = 0
        while not self.repairs.is_full and (found := _PATTERN.search(self.text, at)):
            kind, at = found.lastgroup, found.end()
            if kind == "path":
                if not self._path(found):
                    at = found.end("value")  # a word, in which other notations may follow
            elif kind == "long_comment":
                at = self._long_comment(found)
            elif kind not in ("string", "comment"):
                getattr(self, f"_{kind}")(found)

    # --- comments

    def _line_comment(self, found: re.Match[str]) -> None:
        start, end = found.span()
        if self._divides(start, end):
            span = self.repairs.span(start, start + 2)
            self._written_as(FloorDivision(span=span), "/", "write `/`", safe=False)
            return
        self._comment(ForeignComment(span=self.repairs.span(start, start + 2), mark="//"), end, [])

    def _divides(self, start: int, end: int) -> bool:
        """Whether a `//` is between two numbers, as the division of other languages is."""
        line = max(self.text.rfind("\n", 0, start), self.text.rfind("\r", 0, start)) + 1
        before = self.text[line:start]
        if _ENDS_NUMBER.search(before) is None:
            return False
        if before.count("(") > before.count(")"):
            return _NUMBER_IN_PARENTHESES.match(self.text, start + 2, end) is not None
        return _NUMBERS_ALONE.fullmatch(self.text, start + 2, end) is not None

    def _long_comment(self, found: re.Match[str]) -> int:
        """A comment to its `*/`, or to the end of its line if there is none. Returns its end."""
        start = found.start()
        finding = ForeignComment(span=self.repairs.span(start, start + 2), mark="/*")
        closing = self.text.find("*/", start + 2) if start < self.last_closing else -1
        if closing < 0:
            end_of_line = _LINE_BREAK.search(self.text, start)
            end = end_of_line.start() if end_of_line else len(self.text)
            self._comment(finding, end, [])
            return end

        # The code behind the comment needs a line of its own.
        behind = _NOTHING_BEHIND.match(self.text, closing + 2)
        breaks = [each.end() for each in _LINE_BREAK.finditer(self.text, start, closing)]
        edits = [*((at, at, "# ") for at in breaks), (closing, closing + 2, "" if behind else "\n")]
        self._comment(finding, closing + 2, edits)
        return closing + 2

    def _comment(self, finding: ForeignComment, end: int, edits: Edits) -> None:
        start = finding.span.start
        all_edits = [(start, start + 2, "#"), *edits]
        self.repairs.report_one_of(
            ("comment", finding.mark), finding, "start the comment with `#`", all_edits, safe=True
        )
        self.repairs.blank(start, end)

    # --- strings

    def _single(self, found: re.Match[str]) -> None:
        content = found[0][1:-1].replace("\\", "/").replace('"', "'")
        replacement, span = f'"{content}"', self.repairs.span(*found.span())
        self.repairs.report(SingleQuotes(span=span, fix=writing(span, replacement)))
        self.repairs.write(span.start, span.end, replacement)

    def _path(self, found: re.Match[str]) -> bool:
        """A file name or a reference to a custom part without quotes; False for anything else."""
        text, span = found["path"], self.repairs.span(*found.span("path"))
        if not _FILE_OR_PART.fullmatch(text) or self._names_weights(found):
            return False

        replacement = f'"{text}"'.replace("\\", "/")
        if "\\" in text:
            edits: tuple[Edit, ...] = (Edit(span, replacement),)
        else:
            edits = (insertion(span.source, span.start, '"'), insertion(span.source, span.end, '"'))
        fix = Fix(f"write `{replacement}`", edits)
        self.repairs.report(MissingQuotes(span=span, text=_short(text), fix=fix))
        self.repairs.hold_place(span.start, span.end)
        return True

    def _names_weights(self, found: re.Match[str]) -> bool:
        """Whether a word with dots is the value of a key that takes the names of weights."""
        start = found.start("value")
        return not {*"/\\:"} & {*found["path"]} and _WEIGHTS.search(self.text, max(0, start - 80), start) is not None

    def _unclosed(self, found: re.Match[str]) -> None:
        """A string without an end, which is assumed before a comment, or closing braces at the end of the line."""
        start, text = found.start(), found[0]
        escaped = _ESCAPED_QUOTE_AT_END.search(text)
        code = _COMMENT_BEHIND.sub("", text)
        end = start + (escaped.end() if escaped else max(1, len(code.rstrip("} \t"))))
        span = self.repairs.span(start, end)
        if escaped:
            fix = writing(span, span.text.replace("\\", "/"))
            self.repairs.report(UnclosedString(span=span, ends_in_backslash=True, fix=fix))
        else:
            closed = Fix("close the string", (insertion(span.source, end, '"'),))
            self.repairs.report(UnclosedString(span=span, suggestions=(closed,)))
        self.repairs.hold_place(start, end)

    # --- names, separators and entries

    def _braced(self, found: re.Match[str]) -> None:
        name, span = found["name"], self.repairs.span(*found.span())
        apart = " " * (span.after.isalnum() or span.after in ("_", "$", "."))  # else the name would be longer
        finding = BracedConstant(span=span, text=span.text, name=name)
        self._written_as(finding, f"${name}{apart}", "remove the braces", safe=True)

    def _dotted(self, found: re.Match[str]) -> None:
        """A key with its section, as the command line writes it, and its value if that is on the same line."""
        span, value = self.repairs.span(*found.span("key")), (found["rest"] or "").rstrip()
        *sections, key = found["key"].split(".")
        statement, fix = f"{key} = {value}", None
        there, depth = self._innermost(sections)
        for section in reversed(sections[depth:]):
            statement = f"{section} {{ {statement} }}"
        end = found.start("rest") + len(value) if value else span.end
        has_key = there is not None and self.keys.get(key, -1) > there.end
        written = self.repairs.span(span.start, end)
        if value and there is None:
            fix = writing(written, statement)
        elif value and there is not None and not has_key:
            added = in_section(self.repairs.span(there.start, there.start + len(there.name)), statement)
            if added is not None:
                fix = Fix(f"move it into `{'.'.join(sections[:depth])}`", (added, removal(written)))

        inside = ".".join(sections[:depth])
        shown = statement if value and not has_key else ""
        finding = DottedKey(span=span, dotted=found["key"], statement=shown, inside=inside, is_there=has_key)
        self.repairs.report(replace(finding, fix=fix))
        self.repairs.hold_place(span.start, end)

    def _innermost(self, sections: Sequence[str]) -> tuple[_Opening | None, int]:
        """The innermost of these nested sections that the text has, and its depth."""
        there, depth = None, 0
        for section in sections:
            start = there.end if there is not None else 0
            found = next((item for item in self.openings.get(section, ()) if item.start >= start), None)
            if found is None:
                break
            there, depth = found, depth + 1
        return there, depth

    @cached_property
    def openings(self) -> Mapping[str, Sequence[_Opening]]:
        """Where the sections of each name are opened, outside of comments and strings; searched once."""
        found: dict[str, list[_Opening]] = {}
        for item in _OPENING.finditer(self.text):
            if item[1] is not None:
                found.setdefault(item[1], []).append(_Opening(item[1], item.start(), item.end()))
        return found

    @cached_property
    def keys(self) -> Mapping[str, int]:
        """The last place where each key has a value."""
        return {item[1]: item.start() for item in _KEY.finditer(self.text)}

    def _semicolon(self, found: re.Match[str]) -> None:
        span = self.repairs.span(*found.span())
        if _AFTER_STATEMENT.match(self.text, span.end):
            finding = Semicolon(span=span, in_list=False)
            self._written_as(finding, rewriting(span, "").replacement, "remove it", safe=True)
        else:
            self._written_as(Semicolon(span=span, in_list=True), ",", "write commas", safe=True)

    def _spaced(self, found: re.Match[str]) -> None:
        span, replacement = self.repairs.span(*found.span()), re.sub(r"[ \t]+", "", found[0])
        finding = SpacedEntry(span=span, text=span.text, replacement=replacement)
        self._written_as(finding, replacement, "remove the spaces", safe=False)

    def _written_as(self, finding: Diagnostic, replacement: str, title: str, *, safe: bool) -> None:
        """Report one of several equal findings, whose place has a shorter text of the same meaning."""
        start, end = finding.span.start, finding.span.end
        cause = type(finding), title
        self.repairs.report_one_of(cause, finding, title, [(start, end, replacement)], safe=safe)
        self.repairs.write(start, end, replacement)

    def _glob(self, found: re.Match[str]) -> None:
        """A pattern of names of weights; a name stands for all weights below it."""
        if _WEIGHT_KEY.search(self.text, max(0, found.start() - 200), found.start()) is None:
            return
        name, span = found["weights"], self.repairs.span(*found.span())
        self.repairs.report(
            UnexpectedToken(
                span=self.repairs.span(found.end("weights"), span.end),
                found="`.*`",
                expected="a name of weights",
                hint=f"write `{name}`, which names all weights below it",
                fix=writing(span, name),
            )
        )
        self.repairs.write(span.start, span.end, name)

    def _stages(self, found: re.Match[str]) -> None:
        """A block list of causal-gen."""
        text, span = found[0], self.repairs.span(*found.span())
        before = _STACK.search(self.text, max(0, span.start - 80), span.start)
        is_encoder = before[1] == "encoder" if before else causal_gen.pools(text)
        replacement = causal_gen.encoder(text) if is_encoder else causal_gen.decoder(text)
        self.repairs.report(
            CausalGenList(
                span=span,
                text=_short(text),
                stack="encoder" if is_encoder else "decoder",
                fix=writing(span, replacement) if replacement else None,
            )
        )
        self.repairs.hold_place(span.start, span.end)


def _short(text: str) -> str:
    shown = " ".join(text.split())
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
