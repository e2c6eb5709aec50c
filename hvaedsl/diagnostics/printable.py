"""Source text and names where others read them: on a terminal, in a picture, in a comment."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with what a terminal would act on, or not show, replaced one for one."""
    return "".join(c if c.isprintable() else " " if c in "\t\r\n" else "\ufffd" for c in text)
