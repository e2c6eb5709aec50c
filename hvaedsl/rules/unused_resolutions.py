"""Values for resolutions that the model does not have (HV502)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, Severity, listing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import output_resolution
from hvaedsl.passes.base import Rule, Unit


class UnusedResolution(Diagnostic):
    """HV502."""

    code = "HV502"
    severity = Severity.ADVICE
    title = "`{key}` has a value for {resolutions}, where the model has no block"
    label = "unused"
    help = "remove it"
    why = "A value for a resolution that the model does not have is ignored; perhaps another resolution was meant."
    rests_on = "Computed here, from the resolutions of the bridge."
    bad = spec(model="width = 16  latent = 4  widths = {2: 32}")
    good = spec(model="width = 16  latent = 4  widths = {4: 32}")

    key: str
    unused: tuple[int, ...]

    @property
    def resolutions(self) -> str:
        """The unused resolutions, with the noun."""
        return f"resolution{'s' * (len(self.unused) > 1)} {listing(map(str, self.unused), 'and')}"


def check_widths(unit: Unit) -> Iterator[Diagnostic]:
    """Report keys of `widths` that are not resolutions of the model."""
    visited = {*unit.bridge.resolutions(), *(output_resolution(op) for _, op in unit.bridge.encoder)}
    yield from _unused(unit, "model.widths", unit.spec.model.widths, visited)


def check_temperatures(unit: Unit) -> Iterator[Diagnostic]:
    """Report keys of a map of temperatures that are not resolutions with a latent."""
    temperature = unit.spec.sample.temperature
    if isinstance(temperature, Mapping):
        drawn = {op.resolution for _, op in unit.bridge.decoder}
        yield from _unused(unit, "sample.temperature", temperature, drawn)


def _unused(unit: Unit, key: str, values: Mapping[int, object], used: set[int]) -> Iterator[Diagnostic]:
    unused = tuple(resolution for resolution in values if resolution not in used)
    if unused:
        edits = unit.without_entries(key, values, unused)
        fix = Fix("remove it", edits, safe=True) if edits else None
        yield UnusedResolution(span=unit.origin(f"{key}.{unused[0]}"), key=key, unused=unused, fix=fix)


_WALKS = ("data.dataset", "data.resolution", "model.encoder", "model.decoder")
ADVICE = (
    Rule(check_widths, (*_WALKS, "model.widths")),
    Rule(check_temperatures, (*_WALKS, "sample.temperature")),
)
