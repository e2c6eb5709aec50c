"""Diagnostics as SARIF 2.1.0 (OASIS), which code scanning services read."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, Label, Severity
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.report.checkout_path import path_from
from hvaedsl.report.explain import explanation, template_title
from hvaedsl.rules import KINDS

_LEVELS = {Severity.ERROR: "error", Severity.ADVICE: "warning"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_sarif(diagnostics: Sequence[Diagnostic], version: str, root: Path | None = None) -> str:
    """Return one run of hvaedsl, of the given version, with the rules of the diagnostics.

    Paths are relative to the checkout in `root`, a resolved folder.
    """
    codes = sorted({item.code for item in diagnostics})
    driver = {"name": "hvaedsl", "version": version, "rules": [_rule(KINDS[code]) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(item, codes.index(item.code), root) for item in diagnostics],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(kind: type[Diagnostic]) -> dict[str, Any]:
    page = explanation(kind)
    return {
        "id": kind.code,
        "name": kind.__name__,
        "shortDescription": {"text": template_title(kind)},
        "fullDescription": {"text": kind.why},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": _LEVELS[kind.severity]},
    }


def _result(item: Diagnostic, index: int, root: Path | None) -> dict[str, Any]:
    text = f"{item.message}\n{item.help_text}" if item.help_text else item.message
    result: dict[str, Any] = {
        "ruleId": item.code,
        "ruleIndex": index,
        "level": _LEVELS[item.severity],
        "message": {"text": text},
    }

    if item.span.source.path is None:  # from the command line: there is no file
        result["locations"] = [{"message": {"text": item.span.source.name}}]
    else:
        result["locations"] = [{"physicalLocation": _place(item.span, root)}]

    related = [label for label in item.secondary if label.span.source.path is not None]
    if related:
        result["relatedLocations"] = [_related(at, label, root) for at, label in enumerate(related)]
    if item.fix is not None and item.span.source.path is not None:
        result["fixes"] = [_fix(item.fix, root)]
    return result


def _related(at: int, label: Label, root: Path | None) -> dict[str, Any]:
    return {"id": at, "physicalLocation": _place(label.span, root), "message": {"text": label.text}}


def _place(span: Span, root: Path | None) -> dict[str, Any]:
    return {"artifactLocation": {"uri": _uri(span.source, root)}, "region": _region(span)}


def _uri(source: Source, root: Path | None) -> str:
    path = Path(path_from(root, source))
    return path.as_uri() if path.is_absolute() else quote(os.fsencode(path.as_posix()))


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _fix(fix: Fix, root: Path | None) -> dict[str, Any]:
    replacements = [
        {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.replacement}} for edit in fix.edits
    ]
    location = {"uri": _uri(fix.edits[0].span.source, root)}
    return {
        "description": {"text": fix.title},
        "artifactChanges": [{"artifactLocation": location, "replacements": replacements}],
    }
