"""Safe display of source text and names: on a terminal, in a picture, in a comment."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with control and other unprintable characters replaced, one for one."""
    return "".join(c if c.isprintable() else " " if c in "\t\r\n" else "\ufffd" for c in text)
