"""Diagnostics as JSON: a list of {code, severity, message, path, line, column, end_line, end_column, help, fix}."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix


def to_json(diagnostics: Sequence[Diagnostic]) -> str:
    """Return the list as text; `[]` if there are no diagnostics."""
    return json.dumps([_record(item) for item in diagnostics], indent=2)


def _record(item: Diagnostic) -> dict[str, Any]:
    span = item.span
    return {
        "code": item.code,
        "severity": item.severity.value,
        "message": item.message,
        "path": span.source.name,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
        "help": item.help_text or None,
        "fix": _fix(item.fix) if item.fix is not None else None,
    }


def _fix(fix: Fix) -> dict[str, Any]:
    return {
        "title": fix.title,
        "safe": fix.safe,
        "edits": [
            {
                "line": edit.span.line,
                "column": edit.span.column,
                "end_line": edit.span.end_line,
                "end_column": edit.span.end_column,
                "replacement": edit.replacement,
            }
            for edit in fix.edits
        ],
    }
