"""Diagnostics a line each: `path:line:column: CODE message`, as editors and grep read them."""

from __future__ import annotations

from collections.abc import Sequence

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.printable import printable


def to_concise(diagnostics: Sequence[Diagnostic]) -> str:
    """The lines; empty where there is nothing."""
    return "\n".join(f"{printable(str(item.span))}: {item.code} {printable(item.message)}" for item in diagnostics)
