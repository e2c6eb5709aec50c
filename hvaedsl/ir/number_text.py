"""Numbers as text that reads back as the same number."""

from __future__ import annotations


def number_text(number: float) -> str:
    """The shortest text of a number that reads back as the same one; a whole number has no decimal point."""
    return str(int(number)) if number % 1 == 0 and abs(number) < 1e15 else repr(number)
