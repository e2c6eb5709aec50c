"""From the entries of a map by resolution, as they are written, to a value for each resolution in use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hvaedsl.diagnostics.diagnostic import Fix, insertion
from hvaedsl.diagnostics.resolutions import NoValueForResolution
from hvaedsl.diagnostics.span import Span
from hvaedsl.elaborate.schema import SCHEMA
from hvaedsl.ir.blocks import BlockList
from hvaedsl.ir.cells import CELL_NAMES, cell_kind
from hvaedsl.ir.kinds import OTHER, ChoiceOrCustom, Either
from hvaedsl.ir.section import at_resolution
from hvaedsl.ir.spec_text import value_text

# A map as it is written: values by resolution, and that of `other`.
Written = Mapping[int | str, Any]
# The keys that take such a map.
_OF_MODEL = ("model.latent", "model.bottleneck", "model.cell", "model.block", "model.widths")
_KEYS = (*_OF_MODEL, "train.kl.weight", "sample.temperature")


class Maps:
    """The maps of a spec, whose sections are `values`: typed, but before defaults that depend on other keys.

    `poisoned` are the keys whose value is a placeholder; a map without a value for a resolution is added to them.
    """

    def __init__(self, values: Mapping[str, dict[str, Any]], poisoned: set[str], origins: Mapping[str, Span]) -> None:
        self.values, self.poisoned, self.origins = values, poisoned, origins
        self.model = values["model"]
        empty = BlockList(())
        self.encoder: BlockList = self.model.get("encoder", empty)
        self.decoder: BlockList = self.model.get("decoder", empty)

    def complete(self) -> Iterator[NoValueForResolution]:
        """Put a value for each resolution in use in the place of `other`; yield a finding for each incomplete map."""
        if not any(isinstance(self._value(key), Mapping) for key in _KEYS):
            return

        of_decoder = {entry.resolution for entry in self.decoder.written_entries()}
        of_blocks = of_decoder | {entry.resolution for entry in self.encoder.written_entries()}
        yield from self._complete("model.latent", of_decoder)
        yield from self._complete("model.bottleneck", of_blocks)
        yield from self._complete("model.cell", of_decoder)
        yield from self._complete("model.block", of_blocks)
        drawn = {at for at in of_decoder if at_resolution(self.model.get("latent", 1), at)}
        yield from self._complete("train.kl.weight", drawn)

        # Both have a default for the resolutions that they leave out, so they stay as they are without `other`.
        image = self.values["data"].get("resolution") or max(of_blocks, default=0)
        pooled = {
            entry.resolution // max(1, entry.argument)
            for entry in self.encoder.written_entries()
            if entry.operator == "d"
        }
        if OTHER in (widths := self.model.get("widths", {})):
            named = {at for at in widths if at in of_blocks}
            self.model["widths"] = filled(widths, (of_blocks | pooled | named) - ({image} - named))
        temperature = self._value("sample.temperature")
        if isinstance(temperature, Mapping) and OTHER in temperature:
            self.values["sample"]["temperature"] = _plain(filled(temperature, drawn), temperature)

    def _value(self, key: str) -> object:
        section, _, name = key.rpartition(".")
        return self.values[section].get(name)

    def _complete(self, key: str, resolutions: set[int]) -> Iterator[NoValueForResolution]:
        """Complete one map in place; a value that is no map stays as it is."""
        written = self._value(key)
        if not isinstance(written, Mapping):
            return
        if not resolutions:  # the block lists could not be read
            resolutions = {at for at in written if isinstance(at, int)}
        missing = [at for at in sorted(resolutions, reverse=True) if at not in written and OTHER not in written]
        reported = tuple(at for at in missing if not self._explained(key, at))
        if reported:
            self.poisoned.add(key)
            ways = tuple(self._with_other(key, written, reported))
            yield NoValueForResolution(span=self.origins[key], key=key, missing=reported, suggestions=ways)

        # The placeholder of a missing latent is not 0: where the encoder is missing too, it is the block that is wrong.
        placeholder = next((value for value in written.values() if value), _placeholder(key))
        completed = {OTHER: placeholder, **written}
        section, _, name = key.rpartition(".")
        self.values[section][name] = _plain(filled(completed, resolutions), completed)

    def _width_of_latent(self, resolution: int) -> object:
        """The width at a resolution if z is the state there; None if a latent may have any number of channels."""
        kind = cell_kind(_at(self.model.get("cell"), resolution) or CELL_NAMES[0])
        if kind is None or not kind.state_is_latent:
            return None
        return _at(self.model.get("widths"), resolution) or self.model.get("width")

    def _explained(self, key: str, resolution: int) -> bool:
        """Whether a rule says that the block at a resolution is wrong: it draws where the encoder has no activation."""
        draws = key == "model.latent" or at_resolution(self.model.get("latent", 1), resolution)
        if not draws or self.model.get("skips", "all") != "all":
            return False
        entries = list(self.encoder.written_entries())
        levels = {entry.resolution for entry in entries}
        levels |= {entry.resolution // max(1, entry.argument) for entry in entries if entry.operator == "d"}
        return bool(entries) and resolution not in levels

    def _with_other(self, key: str, written: Written, missing: Iterable[int]) -> Iterator[Fix]:
        """The suggestion that adds `other` behind the last entry, with the value of that entry.

        A latent that is the state has the width of the state; nothing is suggested if the missing ones differ in that.
        """
        whole = self.origins[key]
        *_, last = written.values() if written else (_placeholder(key),)
        if key == "model.latent":
            widths = {self._width_of_latent(at) for at in missing}
            if len(widths) > 1:
                return
            last = next(iter(widths)) or last
        entry = f"{OTHER}: {value_text(last)}"
        spans = [self.origins[f"{key}.{at}"] for at in written]
        end = max((span.end for span in spans), default=None)
        if end is not None:
            yield Fix(f"add `{entry}`", (insertion(whole.source, end, f", {entry}"),))
        elif "#" not in whole.text:
            yield Fix(f"add `{entry}`", (insertion(whole.source, whole.end - 1, entry),))


def filled(written: Written, resolutions: Iterable[int]) -> dict[int, Any]:
    """The values of resolutions, the highest first."""
    return {at: written[at] if at in written else written[OTHER] for at in sorted(resolutions, reverse=True)}


def _at(written: object, resolution: int) -> Any:
    """The value at a resolution of a value that may be a map; None if there is none."""
    return written.get(resolution, written.get(OTHER)) if isinstance(written, Mapping) else written


def _plain(found: dict[int, Any], written: Written) -> Any:
    """A map; if its values are equal, the value. One of no resolution has the value of `other`."""
    values = list(found.values()) or [written[OTHER]]
    return values[0] if all(value == values[0] for value in values) else found


def _placeholder(key: str) -> object:
    section, _, name = key.rpartition(".")
    kind = SCHEMA[section][name].kind
    assert isinstance(kind, Either)
    return kind.plain.symbols[0] if isinstance(kind.plain, ChoiceOrCustom) else 1
