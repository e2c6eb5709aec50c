"""Values by resolution for resolutions that the model never visits (HV502)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Severity, listing, taking_items_out
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import output_resolution
from hvaedsl.passes.base import Rule, Unit


class UnusedResolution(Diagnostic):
    """HV502."""

    code = "HV502"
    severity = Severity.ADVICE
    title = "`{key}` has a value for {resolutions}, where the model has no block"
    label = "not in use"
    help = "take it out"
    why = "A value for a resolution that the model never visits changes nothing; perhaps another one was meant."
    rests_on = "Computed here, from the resolutions of the bridge."
    bad = spec(model="width = 16  latent = 4  widths = {2: 32}")
    good = spec(model="width = 16  latent = 4  widths = {4: 32}")

    key: str
    unused: tuple[int, ...]

    @property
    def resolutions(self) -> str:
        """The resolutions that are not in use."""
        return listing(map(str, self.unused), "and")


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
        fix = _without(unit, key, values, unused)
        yield UnusedResolution(span=unit.origin(f"{key}.{unused[0]}"), key=key, unused=unused, fix=fix)


def _without(unit: Unit, key: str, values: Mapping[int, object], unused: Sequence[int]) -> Fix | None:
    """Take the entries out of the map; an empty one stays, since without it a base's map would count."""
    entries = sorted((unit.origin(f"{key}.{resolution}").start, resolution) for resolution in values)
    spans = [unit.origin(f"{key}.{resolution}") for _, resolution in entries]
    edits = taking_items_out(spans, [at for at, (_, resolution) in enumerate(entries) if resolution in unused])
    whole = unit.origin(key)
    if len(unused) == len(values) and "#" not in whole.text:
        edits = (Edit(whole, "{}"),)
    return Fix("take it out", edits, safe=True) if edits else None


_WALKS = ("data.dataset", "data.resolution", "model.encoder", "model.decoder")
ADVICE = (
    Rule(check_widths, (*_WALKS, "model.widths")),
    Rule(check_temperatures, (*_WALKS, "sample.temperature")),
)
