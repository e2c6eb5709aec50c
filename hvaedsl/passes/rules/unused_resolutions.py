"""Values by resolution for resolutions that the model never visits (HV502)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hvaedsl.catalog.advice.unused_resolutions import UnusedResolution
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.ir.bridge import output_resolution
from hvaedsl.passes.base import Rule, Unit


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
        yield UnusedResolution(span=unit.origin(f"{key}.{unused[0]}"), key=key, unused=unused)


_WALKS = ("data.dataset", "data.resolution", "model.encoder", "model.decoder")
ADVICE = (
    Rule(check_widths, (*_WALKS, "model.widths")),
    Rule(check_temperatures, (*_WALKS, "sample.temperature")),
)
