"""Diagnostics a line each: `path:line:column: CODE message`, as editors and grep read them."""

from __future__ import annotations

from collections.abc import Sequence

from hvaedsl.diagnostic import Diagnostic


def to_concise(diagnostics: Sequence[Diagnostic]) -> str:
    """The lines; empty where there is nothing."""
    return "\n".join(f"{one_line(str(item.span))}: {item.code} {one_line(item.message)}" for item in diagnostics)


def one_line(text: str) -> str:
    """The text with what a terminal would act on, or break a line at, replaced one for one."""
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "\ufffd" for letter in text)
