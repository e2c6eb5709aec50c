r"""Safe display of source text and names: on a terminal, in a picture, in a comment, in a message.

Characters that could act on a terminal or break a line are shown as Python escapes them: `\n`, `\x1b`, `\u202e`. A
byte of a file name that is not text is shown as that byte, `\xe9`.
"""

from __future__ import annotations

import re

_OWN_LINE_BREAK = re.compile(r"\n(?=  )")


def printable(text: str) -> str:
    """The text on one line: tabs are spaces, and other unprintable characters are escaped."""
    return text if text.isprintable() else "".join(map(_shown, text))


def is_unicode(text: str) -> bool:
    """Whether the text can be written in UTF-8. Python puts lone surrogates into names of files with other bytes."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def printable_lines(text: str) -> str:
    """The same for a text of several lines: its line breaks remain."""
    return "\n".join(map(printable, text.split("\n")))


def printable_message(text: str) -> str:
    """The same for a message. A line break without two spaces after it is one of a name, and is escaped too."""
    return "\n".join(map(printable, _OWN_LINE_BREAK.split(text)))


def indented(text: object) -> str:
    """The text of another program, or of an error of it, as a part of a message: later lines belong to the message."""
    return "\n  ".join(line.strip() for line in str(text).splitlines() if line.strip())


def joined(text: object) -> str:
    """The same on one line, for a part in the middle of a sentence or a list."""
    return " ".join(str(text).split())


def _shown(letter: str) -> str:
    if letter.isprintable():
        return letter
    if letter == "\t":
        return " "
    if "\udc80" <= letter <= "\udcff":  # what Python has for a byte that is not text (PEP 383)
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return ascii(letter)[1:-1]
