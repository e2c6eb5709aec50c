"""Diagnostics as workflow commands of GitHub Actions, which annotate the lines of a change.

Source: "Workflow commands for GitHub Actions", Setting an error message.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.report.checkout_path import path_from

_LEVELS = {Severity.ERROR: "error", Severity.ADVICE: "warning"}
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def to_github(diagnostics: Sequence[Diagnostic], root: Path | None = None) -> str:
    """Return one command per line, with paths relative to the checkout in `root`; empty if there are no diagnostics."""
    return "\n".join(_command(item, root) for item in diagnostics)


def _command(item: Diagnostic, root: Path | None) -> str:
    span = item.span
    properties = {"file": path_from(root, span.source), "line": span.line, "col": span.column, "endLine": span.end_line}
    if span.line == span.end_line:  # GitHub refuses columns on two lines
        properties["endColumn"] = span.end_column
    properties["title"] = item.code
    listed = ",".join(f"{name}={str(value).translate(_PROPERTY)}" for name, value in properties.items())
    text = f"{item.message}\nhelp: {item.help_text}" if item.help_text else item.message
    return f"::{_LEVELS[item.severity]} {listed}::{text.translate(_DATA)}"
