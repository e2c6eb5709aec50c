"""Conversion of diagnostics to plain data and back: code, fields, and places in numbered sources."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Label
from hvaedsl.diagnostics.span import Source, Span

_COMMON = frozenset(("span", "secondary", "notes", "fix", "suggestions"))


class NotData(Exception):
    """A diagnostic cannot be converted to data and back without a change."""


def findings_data(found: Sequence[Diagnostic], sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Convert diagnostics to data for JSON; their places are in the sources or in options of the command line.

    Raises `NotData` if one would not convert back to an equal diagnostic.
    """
    data = [_record(item, sources) for item in found]
    try:
        same = tuple(findings_of(data, sources)) == tuple(found)
    except (KeyError, TypeError) as error:
        raise NotData(str(error)) from None
    if not same:
        raise NotData
    return data


def findings_of(data: Sequence[Mapping[str, Any]], sources: Sequence[Source]) -> Iterator[Diagnostic]:
    """Convert data back to diagnostics. Raises `KeyError`, `TypeError`, `IndexError` or `ValueError` for other data."""
    if not data:
        return
    from hvaedsl.rules import KINDS  # most specs have no findings

    places = _Places(sources)
    for record in data:
        yield KINDS[record["code"]](
            span=places.span(record["span"]),
            secondary=tuple(Label(places.span(span), text) for span, text in record["secondary"]),
            notes=tuple(record["notes"]),
            fix=None if record["fix"] is None else _fix(record["fix"], places),
            suggestions=tuple(_fix(fix, places) for fix in record["suggestions"]),
            **{name: _value(value) for name, value in record["fields"].items()},
        )


def _record(item: Diagnostic, sources: Sequence[Source]) -> dict[str, Any]:
    own = {field.name: field.default for field in dataclasses.fields(item) if field.name not in _COMMON}
    fields = {name: getattr(item, name) for name in own}
    return {
        "code": item.code,
        "span": _place(item.span, sources),
        "secondary": [[_place(label.span, sources), label.text] for label in item.secondary],
        "notes": list(item.notes),
        "fix": None if item.fix is None else _fix_data(item.fix, sources),
        "suggestions": [_fix_data(fix, sources) for fix in item.suggestions],
        "fields": {name: _data(value) for name, value in fields.items() if value != own[name]},
    }


def _fix_data(fix: Fix, sources: Sequence[Source]) -> list[Any]:
    return [fix.title, fix.safe, [[_place(edit.span, sources), edit.replacement] for edit in fix.edits]]


def _fix(data: Sequence[Any], places: _Places) -> Fix:
    title, safe, edits = data
    return Fix(title, tuple(Edit(places.span(span), text) for span, text in edits), safe)


def _data(value: object) -> object:
    """Convert the value of a field for JSON, which has no tuples."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case tuple():
            return [_data(item) for item in value]
        case _:
            raise NotData(repr(value))


def _value(data: object) -> Any:
    return tuple(map(_value, data)) if isinstance(data, list) else data


def _place(span: Span, sources: Sequence[Source]) -> list[Any]:
    """Convert a span, with the number of its source or the name and text of a command-line option."""
    number = next((index for index, source in enumerate(sources) if source is span.source), None)
    if number is None and span.source.path is not None:
        raise NotData(span.source.name)
    source = number if number is not None else [span.source.name, span.source.text]
    return [source, span.start, span.end, span.line, span.column, span.end_line, span.end_column]


class _Places:
    """Converts data back to spans; those in one command-line option share its source."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._options: dict[tuple[str, str], Source] = {}

    def span(self, data: Sequence[Any]) -> Span:
        where, start, end, line, column, end_line, end_column = data
        if isinstance(where, int):
            source = self._sources[where]
        else:
            name, text = where
            source = self._options.setdefault((name, text), Source(name, text))
        return Span(source, start, end, line, column, end_line, end_column)
