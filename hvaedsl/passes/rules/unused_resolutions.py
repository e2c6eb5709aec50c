"""Values by resolution for resolutions that the model never visits (HV502)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hvaedsl.catalog.advice.unused_resolutions import UnusedResolution
from hvaedsl.diagnostic import Diagnostic, Edit, Fix
from hvaedsl.ir.bridge import output_resolution
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.span import Span
from hvaedsl.syntax import ast


def check_widths(unit: Unit) -> Iterator[Diagnostic]:
    """Keys of `widths` stand for resolutions of the bridge."""
    visited = {*unit.bridge.resolutions(), *(output_resolution(op) for _, op in unit.bridge.encoder)}
    yield from _unused(unit, "model.widths", unit.spec.model.widths, visited)


def check_temperatures(unit: Unit) -> Iterator[Diagnostic]:
    """Keys of a temperature map stand for resolutions at which a latent is drawn."""
    temperature = unit.spec.sample.temperature
    if isinstance(temperature, Mapping):
        drawn = {op.resolution for _, op in unit.bridge.decoder}
        yield from _unused(unit, "sample.temperature", temperature, drawn)


def _unused(unit: Unit, key: str, values: Mapping[int, object], used: set[int]) -> Iterator[Diagnostic]:
    unused = tuple(resolution for resolution in values if resolution not in used)
    if unused:
        spans = [unit.origin(f"{key}.{resolution}") for resolution in unused]
        yield UnusedResolution(span=spans[0], key=key, unused=unused, fix=_fix(unit, spans))


def _fix(unit: Unit, spans: list[Span]) -> Fix | None:
    """Take these entries out; none where the map spans lines or is not in a file."""
    for document in unit.documents:
        for found in _maps(document.statements):
            if spans[0] not in [entry.span for entry in found.entries] or "\n" in found.span.text:
                continue
            kept = ", ".join(entry.span.text for entry in found.entries if entry.span not in spans)
            return Fix("take it out", (Edit(found.span, f"{{{kept}}}"),), safe=True)
    return None


def _maps(statements: Iterable[ast.Statement]) -> Iterator[ast.Map]:
    for statement in statements:
        if isinstance(statement, ast.Section):
            yield from _maps(statement.statements)
        elif isinstance(statement, ast.Assignment) and isinstance(statement.value, ast.Map):
            yield statement.value


_WALKS = ("data.dataset", "data.resolution", "model.encoder", "model.decoder")
ADVICE = (
    Rule(check_widths, (*_WALKS, "model.widths")),
    Rule(check_temperatures, (*_WALKS, "sample.temperature")),
)
