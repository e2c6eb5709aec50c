"""Shipped specs with one value wrong: one error, whichever value it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.names import MissingKey
from hvaedsl.diagnostics.span import Source
from hvaedsl.program import compile_source
from hvaedsl.shipped import shipped
from hvaedsl.syntax import ast
from hvaedsl.syntax.parser import parse_document

from .profile import LONG

SPECS = sorted(shipped("specs").rglob("*.hvae"))
UNREADABLE = ["?", "$nope", "{a: b}", "1 2", ""]
if LONG:
    UNREADABLE += ["f(1)", '"abc', "9" * 20, "8X2", "(1", "= 1", "2*", "'a/b'", "a/b"]
BASE = "vdvae.hvae"  # not a model by itself


def errors(text: str, path: Path) -> list[Diagnostic]:
    found = compile_source(Source(path.name, text, path)).diagnostics
    return [
        item
        for item in found
        if item.severity is Severity.ERROR and not (path.name == BASE and isinstance(item, MissingKey))
    ]


def values(statements: Sequence[ast.Statement]) -> Iterator[ast.Value]:
    for statement in statements:
        if isinstance(statement, ast.Section):
            yield from values(statement.statements)
        elif isinstance(statement, ast.Assignment | ast.Let):
            yield statement.value


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_each_value_of_a_shipped_spec_made_unreadable_is_one_error(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for value in values(parse_document(Source(path.name, text, path)).document.statements):
        for unreadable in UNREADABLE:
            damaged = f"{text[: value.span.start]}{unreadable}{text[value.span.end :]}"
            found = errors(damaged, path)
            assert len(found) == 1, (value.span.line, unreadable, [(item.code, item.message) for item in found])


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_swapped_resolution_and_count_are_one_error(path: Path) -> None:
    """`3x32` for `32x3`, as the whole list."""
    text = path.read_text(encoding="utf-8")
    for statement in parse_document(Source(path.name, text, path)).document.statements:
        if not isinstance(statement, ast.Section) or statement.name.text != "model":
            continue
        for item in statement.statements:
            if isinstance(item, ast.Assignment) and item.key.text in ("encoder", "decoder"):
                span = item.value.span
                assert len(errors(f"{text[: span.start]}3x32{text[span.end :]}", path)) == 1
