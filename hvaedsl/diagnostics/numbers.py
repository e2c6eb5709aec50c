"""Numbers with their nouns."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun, `1 step` or `1,200 steps`; `plural` for a noun that does not only get an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
