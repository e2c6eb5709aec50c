"""Printed forms of the AST, as text and as JSON, each node with its place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.syntax import ast


def ast_text(document: ast.Document) -> str:
    """One node per line, indented by depth: `KIND plain fields @line:column`."""
    return "".join(f"{line}\n" for statement in document.statements for line in _lines(statement, 0))


def ast_json(document: ast.Document) -> dict[str, Any]:
    """The document as data for `json.dumps`."""
    return {"path": document.source.name, "statements": [_plain(item) for item in document.statements]}


def _lines(node: Any, depth: int) -> Iterator[str]:
    plain = [f"{name}={value!r}" for name, value in _fields(node) if not _is_node(value)]
    span: Span = node.span
    yield "  " * depth + " ".join([type(node).__name__, *plain, f"@{span.line}:{span.column}"])
    for _, value in _fields(node):
        if _is_node(value):
            for child in value if isinstance(value, tuple) else (value,):
                yield from _lines(child, depth + 1)


def _fields(node: Any) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if not isinstance(value, (Span, Source)):
            yield field.name, value


def _is_node(value: object) -> bool:
    return dataclasses.is_dataclass(value) or isinstance(value, tuple)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if not _is_node(value):
        return value
    span: Span = value.span
    place = {"line": span.line, "column": span.column, "end_line": span.end_line, "end_column": span.end_column}
    return {"kind": type(value).__name__, **{name: _plain(item) for name, item in _fields(value)}, "span": place}
