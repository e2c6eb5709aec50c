"""`hvaedsl explain CODE`: what a diagnostic means, why, and a bad and a good example."""

from __future__ import annotations

import re

from hvaedsl.diagnostic import Diagnostic, Severity

_LABELS = {Severity.ERROR: "error", Severity.ADVICE: "advice"}


def explanation(kind: type[Diagnostic]) -> str:
    """The page of a code, as markdown."""
    parts = [f"# {kind.code}: {template_title(kind)}", f"Severity: {_LABELS[kind.severity]}", kind.why]
    if kind.bad:
        parts.append(f"Wrong:\n\n```\n{kind.bad}```")
    parts.append(f"Right:\n\n```\n{kind.good}```")
    return "\n\n".join(parts) + "\n"


def template_title(kind: type[Diagnostic]) -> str:
    """The title without a finding's data: its fields in capitals."""
    return re.sub(r"\{(\w+)[^}]*\}", lambda found: found[1].upper().replace("_", " "), kind.title)
