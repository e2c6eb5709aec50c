"""Sections with a header in brackets, as in TOML (`[model]`), read as sections in braces."""

from __future__ import annotations

import re

from hvaedsl.diagnostics.diagnostic import Edit, Fix, Label, insertion
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.syntax import UnexpectedToken
from hvaedsl.syntax.repairs import Repairs

_STRING_OR_COMMENT = r'"(?:\\[^\r\n]|[^"\\\r\n])*"|\#[^\r\n]*'
_LINE_START = r"(?:\A|(?<=[\r\n]))"
_HEADER = rf"{_LINE_START}[ \t]*\[(?P<name>[A-Za-z_]\w*)\](?=[ \t]*(?:[\r\n#]|\Z))"
# A section or statement at the start of a line ends a section with a header.
_STATEMENT = rf"{_LINE_START}(?:[A-Za-z_]\w*[ \t]*\{{|(?:let|extends|hvae)\b)"
_PART = re.compile(
    rf"(?P<other>{_STRING_OR_COMMENT})|(?P<header>{_HEADER})|(?P<statement>{_STATEMENT})"
    r"|(?P<open>[{(\[])|(?P<close>[})\]])|(?P<code>[^\s{}()\[\]])"
)
_MOST = 100  # a text with more headers is no spec


class _Section(Record):
    """A header, and the end of the last code before the next section."""

    name: str
    start: int
    end: int
    closed_at: int


def repair_section_headers(repairs: Repairs) -> None:
    """Report and repair the sections with such headers, if there is room for their closing braces."""
    text = repairs.text
    sections = _sections(text)
    if not 0 < len(sections) <= _MOST or any(text[item.closed_at : item.closed_at + 1] == "" for item in sections):
        return

    edits: list[Edit] = []
    line_break = next((each for each in ("\r\n", "\n", "\r") if each in text), "\n")
    for item in sections:
        edits.append(Edit(repairs.span(item.start, item.end), f"{item.name} {{"))
        edits.append(insertion(repairs.source, item.closed_at, f"{line_break}}}"))
        repairs.write(item.start, item.end, f"{item.name} {{")
        if text[item.closed_at] == "#":
            line_end = re.compile(r"[^\r\n]*").match(text, item.closed_at)
            assert line_end is not None  # it matches any text
            repairs.blank(item.closed_at, line_end.end())
        repairs.write(item.closed_at, item.closed_at + 1, "}")

    first, *others = (repairs.span(item.start, item.end) for item in sections)
    repairs.report(
        UnexpectedToken(
            span=first,
            found=f"`{first.text}`",
            expected="`key = value` or `section { ... }`",
            hint=f"write `{sections[0].name} {{ ... }}`",
            secondary=tuple(Label(span, "also here") for span in others),
            fix=Fix("write the sections in braces", tuple(edits)),
        )
    )


def _sections(text: str) -> list[_Section]:
    """The sections with a header at the top level; none if a bracket before one is open."""
    found: list[_Section] = []
    depth, code_end, last = 0, 0, ""
    header: re.Match[str] | None = None
    for part in _PART.finditer(text):
        kind = part.lastgroup
        if kind in ("header", "name"):
            kind = "header" if depth == 0 and last not in ("=", ",") else "open"
        ends = kind == "header" or (kind == "statement" and depth == 0)
        if header is not None and ends:
            found.append(_Section(header["name"], header.start("name") - 1, header.end(), code_end))
            header = None
        if kind == "header":
            header = part
        elif kind == "statement":
            depth += part[0].endswith("{")
        elif part["open"]:
            depth += 1
        elif kind == "close":
            depth -= 1
        if depth < 0:
            return []
        if kind != "other" or part[0].startswith('"'):
            code_end, last = part.end(), part[0][-1]
    if header is not None and depth == 0:
        found.append(_Section(header["name"], header.start("name") - 1, header.end(), code_end))
    return found
