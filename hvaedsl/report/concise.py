"""Diagnostics, one per line: `path:line:column: CODE message`, for editors and grep."""

from __future__ import annotations

from collections.abc import Sequence

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.printable import printable


def to_concise(diagnostics: Sequence[Diagnostic]) -> str:
    """Return the lines; empty if there are no diagnostics."""
    return "\n".join(f"{printable(str(item.span))}: {item.code} {printable(item.message)}" for item in diagnostics)
