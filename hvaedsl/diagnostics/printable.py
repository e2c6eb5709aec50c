"""Safe display of source text and names: on a terminal, in a picture, in a comment."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with control and other unprintable characters replaced, one for one."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c in "\t\r\n" else "\ufffd" for c in text)


def is_unicode(text: str) -> bool:
    """Whether the text can be written in UTF-8. Python puts lone surrogates into names of files with other bytes."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def printable_lines(text: str) -> str:
    """The same for a text of several lines: its line breaks remain."""
    return "\n".join(map(printable, text.split("\n")))
