"""Invisible characters, unusual spaces and look-alikes of ASCII marks outside of strings and comments.

They are read as nothing, as a space, and as the mark.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hvaedsl.diagnostics.characters import (
    DOUBLE_QUOTES,
    SINGLE_QUOTES,
    UnexpectedCharacter,
    ascii_mark,
    is_invisible,
)
from hvaedsl.diagnostics.diagnostic import Edit, Fix
from hvaedsl.syntax.repairs import Repairs

_ODD = r"[^\x00-\x7f]|[\x0b\x1c-\x1f]"
# A string of which one quotation mark, or both, are those of a word processor.
_QUOTED = (
    rf"""[{DOUBLE_QUOTES}][^{DOUBLE_QUOTES}"\r\n]*[{DOUBLE_QUOTES}"]|"[^{DOUBLE_QUOTES}#\r\n]*[{DOUBLE_QUOTES}]"""
    rf"""|[{SINGLE_QUOTES}][^{SINGLE_QUOTES}'"\r\n]*[{SINGLE_QUOTES}']|'[^{SINGLE_QUOTES}'"#\r\n]*[{SINGLE_QUOTES}]"""
)
_CODE = re.compile(rf"""(?P<other>"(?:\\[^\r\n]|[^"\\\r\n])*"|#[^\r\n]*)|(?P<quoted>{_QUOTED})|(?P<odd>{_ODD})""")


def repair_characters(repairs: Repairs) -> bool:
    """Report and repair such characters; whether letters were moved, because one is inside a word."""
    invisible = []
    for found in _CODE.finditer(repairs.text):
        letter, at = found["odd"], found.start()
        if found["quoted"]:
            _quote(repairs, at, found.end() - 1)
            continue
        if letter is None or (at == 0 and letter == "\ufeff"):  # a byte order mark
            continue
        if letter.isspace():
            _replace(repairs, at, letter, " ")
        elif is_invisible(letter):
            _replace(repairs, at, letter, "")
            invisible.append(at)
        elif mark := ascii_mark(letter):
            _write_mark(repairs, at, letter, mark)
    return _close_gaps(repairs, invisible)


def _replace(repairs: Repairs, at: int, letter: str, replacement: str) -> None:
    found = UnexpectedCharacter(span=repairs.span(at, at + 1), found=letter)
    title = "write a plain space" if replacement else "remove it"
    repairs.report_one_of(("character", letter), found, title, [(at, at + 1, replacement)], safe=True)
    repairs.write(at, at + 1, " ")


def _quote(repairs: Repairs, start: int, end: int) -> None:
    """Report a string in other quotation marks, which are at these two places, and write the right ones."""
    text = repairs.source.text
    places = [at for at in (start, end) if text[at] != '"']
    for at in places:
        repairs.write(at, at + 1, '"')
    if not repairs.is_full:
        edits = tuple(Edit(repairs.span(at, at + 1), '"') for at in places)
        at = next(at for at in places if text[at] != "'")
        repairs.report(UnexpectedCharacter(span=repairs.span(at, at + 1), found=text[at], fix=Fix('write `"`', edits)))


def _write_mark(repairs: Repairs, at: int, letter: str, mark: str) -> None:
    span = repairs.span(at, at + 1)
    if mark == '"' and repairs.is_full:
        return
    if mark == '"':
        repairs.report(UnexpectedCharacter(span=span, found=letter, is_alone=True))
        repairs.hold_place(at, at + 1)
        return
    found = UnexpectedCharacter(span=span, found=letter)
    title = f"write `{mark}`"
    repairs.report_one_of(("mark", letter), found, title, [(at, at + 1, mark)], safe=False)
    repairs.write(at, at + 1, mark)


def _close_gaps(repairs: Repairs, invisible: Sequence[int]) -> bool:
    """Move the parts of words together that invisible characters separate; whether there are any."""
    runs: dict[int, int] = {}  # start and end of adjacent invisible characters
    start = -1
    for at in invisible:
        start = start if runs.get(start) == at else at
        runs[start] = at + 1
    text, letters = repairs.source.text, repairs.letters
    inside = {start: end for start, end in runs.items() if _is_word(text, start - 1) and _is_word(text, end)}

    end = -1
    for start in inside:
        if start < end:  # in the same word as the run before
            continue
        kept, end = [], start
        while end in inside or _is_word(text, end):
            if end in inside:
                end = inside[end]
            else:
                kept.append(letters[end])
                end += 1
        repairs.write(start, end, "".join(kept))
    return bool(inside)


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and (text[at].isalnum() or text[at] in "_$.") and not is_invisible(text[at])
