"""Sections with a header in brackets, as in TOML (`[model]`), read as sections in braces."""

from __future__ import annotations

import re

from hvaedsl.diagnostics.diagnostic import Edit, Fix, Label, insertion
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.syntax import UnexpectedToken
from hvaedsl.syntax.repairs import Repairs

_COMMENT = re.compile(r"\#[^\r\n]*")
_STRING = r'"(?:\\[^\r\n]|[^"\\\r\n])*"'
_LINE_START = r"(?:\A|(?<=[\r\n]))"
_HEADER = rf"{_LINE_START}[ \t]*\[(?P<name>[A-Za-z_]\w*)\](?=[ \t]*(?:[\r\n#]|\Z))"
# A section or statement at the start of a line ends a section with a header.
_STATEMENT = rf"{_LINE_START}(?:[A-Za-z_]\w*[ \t]*\{{|(?:let|extends|hvae)\b)"
_ANY_HEADER = re.compile(_HEADER)
_PART = re.compile(
    rf"(?P<comment>{_COMMENT.pattern})|(?P<header>{_HEADER})|(?P<statement>{_STATEMENT})"
    rf"|(?P<open>[{{(\[])|(?P<close>[}})\]])|(?P<code>{_STRING}|[^\s{{}}()\[\]])"
)
_MOST = 100  # a text with more headers is no spec


class _Section(Record):
    """A header, and the end of the last code before the next section, where the closing brace belongs."""

    name: str
    start: int
    end: int
    closed_at: int


def repair_section_headers(repairs: Repairs) -> None:
    """Report and repair the sections with such headers, if there is room for their closing braces."""
    text = repairs.text
    sections = _sections(text)
    if not 0 < len(sections) <= _MOST or sections[-1].closed_at == len(text):
        return

    edits: list[Edit] = []
    line_break = next((each for each in ("\r\n", "\n", "\r") if each in text), "\n")
    for section in sections:
        opening = f"{section.name} {{"
        edits.append(Edit(repairs.span(section.start, section.end), opening))
        edits.append(insertion(repairs.source, section.closed_at, f"{line_break}}}"))

        # The text keeps its length: the brace takes the place of the space after the code, or of a comment there.
        repairs.write(section.start, section.end, opening)
        if comment := _COMMENT.match(text, section.closed_at):
            repairs.blank(*comment.span())
        repairs.write(section.closed_at, section.closed_at + 1, "}")

    first, *others = (repairs.span(section.start, section.end) for section in sections)
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
    """The sections with a header at the top level; none if a closing bracket has no opening one."""
    if _ANY_HEADER.search(text) is None:
        return []

    found: list[_Section] = []
    header: re.Match[str] | None = None  # of the section that is open
    depth, code_end, last = 0, 0, ""

    def end_section() -> None:
        if header is not None:
            found.append(_Section(header["name"], header.start("name") - 1, header.end(), code_end))

    for part in _PART.finditer(text):
        kind = part.lastgroup
        if kind == "comment":
            continue

        # A name in brackets on a line of its own may also be a value, or an item of a list.
        is_header = kind == "header" and depth == 0 and last not in ("=", ",")
        if is_header or (kind == "statement" and depth == 0):
            end_section()
            header = part if is_header else None

        if kind == "open" or (kind == "statement" and part[0].endswith("{")):
            depth += 1
        elif kind == "close":
            depth -= 1
        if depth < 0:
            return []
        code_end, last = part.end(), part[0][-1]

    if depth == 0:
        end_section()
    return found
