"""Values for resolutions that the model does not have (HV502)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, Severity, listing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import EncoderBlock, TopDownBlock, output_resolution
from hvaedsl.passes.base import Rule, Unit


class UnusedResolution(Diagnostic):
    """HV502."""

    code = "HV502"
    severity = Severity.ADVICE
    title = "`{key}` has a value for {resolutions}, where {lacking}"
    label = "unused"
    help = "remove it"
    why = "A value for a resolution that the model does not have is ignored; perhaps another resolution was meant."
    rests_on = "Computed here, from the resolutions of the bridge."
    bad = spec(model="width = 16  latent = 4  widths = {2: 32}")
    good = spec(model="width = 16  latent = 4  widths = {4: 32}")

    key: str
    unused: tuple[int, ...]
    lacking: str = "the model has no block"

    @property
    def resolutions(self) -> str:
        """The unused resolutions, with the noun."""
        return f"resolution{'s' * (len(self.unused) > 1)} {listing(map(str, self.unused), 'and')}"


def _resolutions(unit: Unit) -> Collection[int]:
    return {*unit.bridge.resolutions(), *(output_resolution(op) for _, op in unit.bridge.encoder)}


def _of_blocks(unit: Unit) -> Collection[int]:
    return {op.resolution for op in unit.bridge.operations if isinstance(op, EncoderBlock | TopDownBlock)}


def _of_decoder(unit: Unit) -> Collection[int]:
    return {op.resolution for _, op in unit.bridge.decoder}


def _drawn(unit: Unit) -> Collection[int]:
    return {op.resolution for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock) and op.draws}


# The keys that take a map, the resolutions where they have a meaning, and what those lack where they have none.
_KEYS: dict[str, tuple[Callable[[Unit], Collection[int]], str]] = {
    "model.widths": (_resolutions, "the model has no block"),
    "model.bottleneck": (_of_blocks, "the model has no block"),
    "model.block": (_of_blocks, "the model has no block"),
    "model.latent": (_of_decoder, "the decoder has no block"),
    "model.cell": (_of_decoder, "the decoder has no block"),
    "train.kl.weight": (_drawn, "the decoder draws no latent"),
    "sample.temperature": (_drawn, "the decoder draws no latent"),
}


def _check(key: str) -> Callable[[Unit], Iterator[Diagnostic]]:
    used, lacking = _KEYS[key]

    def check(unit: Unit) -> Iterator[Diagnostic]:
        """Report the entries of one map for resolutions where its key has no meaning."""
        in_use = used(unit)
        unused = tuple(at for at in unit.entries(key) if isinstance(at, int) and at not in in_use)
        if unused:
            edits = unit.without_entries(key, unused)
            fix = Fix("remove it", edits, safe=True) if edits else None
            span = unit.origin(f"{key}.{unused[0]}")
            yield UnusedResolution(span=span, key=key, unused=unused, lacking=lacking, fix=fix)

    return check


_WALKS = ("data.dataset", "data.resolution", "model.latent", "model.encoder", "model.decoder")
ADVICE = tuple(Rule(_check(key), (*_WALKS, key)) for key in _KEYS)
