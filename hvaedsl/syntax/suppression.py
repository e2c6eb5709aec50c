"""`# hvae: ignore[HV502] reason`: which advice a line silences."""

from __future__ import annotations

import re

from hvaedsl.diagnostic import Diagnostic, Severity
from hvaedsl.span import Source

_IGNORE = re.compile(r"#\s*hvae:\s*ignore\[\s*(HV\d{3}(?:\s*,\s*HV\d{3})*)\s*\]")


def silenced(item: Diagnostic) -> bool:
    """Whether the line that a piece of advice points at silences it. An error is never silenced."""
    return item.severity is Severity.ADVICE and item.code in ignored_codes(item.span.source, item.span.line)


def ignored_codes(source: Source, line: int) -> frozenset[str]:
    """The codes that a line silences, counted from 1."""
    return codes_in(source.line(line))


def codes_in(text: str) -> frozenset[str]:
    """The codes that one line of text silences."""
    found = _IGNORE.search(text)
    return frozenset(re.split(r"\s*,\s*", found[1])) if found else frozenset()
