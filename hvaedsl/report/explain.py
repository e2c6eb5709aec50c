"""`hvaedsl explain`: what a diagnostic means, why, and a bad and a good example; what a cell computes."""

from __future__ import annotations

import re

from hvaedsl.catalog.cells import CellText
from hvaedsl.diagnostic import Diagnostic, Severity

_LABELS = {Severity.ERROR: "error", Severity.ADVICE: "advice"}


def explanation(kind: type[Diagnostic]) -> str:
    """The page of a code, as markdown."""
    parts = [f"# {kind.code}: {template_title(kind)}", f"Severity: {_LABELS[kind.severity]}", kind.why]
    if kind.bad:
        parts.append(f"Wrong:\n\n```\n{kind.bad}```")
    parts.append(f"Right:\n\n```\n{kind.good}```")
    return "\n\n".join(parts) + "\n"


def cell_explanation(cell: CellText) -> str:
    """The page of a cell, as markdown; a paragraph is one line."""
    equations = "\n".join(cell.equations)
    parts = [f"# {cell.name}: {cell.title}", f"```\n{equations}\n```", cell.reading, cell.details]
    return "\n\n".join([*parts, f"Source: {cell.source}"]) + "\n"


def template_title(kind: type[Diagnostic]) -> str:
    """The title without a finding's data: its fields in capitals."""
    return re.sub(r"\{(\w+)[^}]*\}", lambda found: found[1].upper().replace("_", " "), kind.title)
