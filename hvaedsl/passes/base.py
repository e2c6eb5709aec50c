"""The contract of the passes.

- A transform is a function from a valid bridge to a valid bridge; its options are keyword parameters. The pipeline
  verifies the bridge before and after it.
- An analysis is a function of a bridge; it computes a value and changes nothing.
- A rule checks a compilation unit and yields diagnostics. `needs` are the spec keys that it depends on: it is skipped
  if one of them could not be read. `model.encoder.walk` and `model.decoder.walk` are the resolutions of a block list,
  which are unknown if an entry of the list is wrong.

The pipeline (`hvaedsl.pipeline`) passes results from one to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import field
from typing import TypeVar

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, insertion, item_removals, writing
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Span
from hvaedsl.ir.bridge import Bridge, EncoderBlock, TopDownBlock
from hvaedsl.ir.kinds import OTHER
from hvaedsl.ir.spec import Spec
from hvaedsl.syntax import ast

V = TypeVar("V")


class Unit(Record):
    """The input of a rule."""

    documents: tuple[ast.Document, ...]
    spec: Spec
    origins: Mapping[str, Span]
    bridge: Bridge
    analyses: Mapping[Callable[[Bridge], object], object] = field(compare=False)
    # The names that the value of a key went through, and where each is defined (`hvaedsl.elaborate.via`).
    via: Callable[[str], tuple[tuple[str, Span], ...]] = field(default=lambda _: (), compare=False, repr=False)

    def analysis(self, kind: Callable[[Bridge], V]) -> V:
        """The result of an analysis of the pipeline, computed on first use."""
        return self.analyses[kind]  # type: ignore[return-value]  # keyed by the function that computes it

    def origin(self, key: str) -> Span:
        """The place of a key's value; the start of the spec for a default."""
        found = self.origins.get(key)
        return found if found is not None else self.documents[-1].source.span(0, 0)

    def entry(self, key: str, resolution: int) -> Span | None:
        """The entry of a map that a resolution has its value from, by name or by `other`; None if there is none."""
        return self.origins.get(f"{key}.{resolution}") or self.origins.get(f"{key}.{OTHER}")

    def origin_at(self, key: str, resolution: int) -> Span:
        """The place of the value that a key has at a resolution: its entry in a map, or the whole value."""
        return self.entry(key, resolution) or self.origin(key)

    def place(self, key: str) -> Span:
        """The place of a key, or of the entry that `model.cell.8` has its value from."""
        whole, _, at = key.rpartition(".")
        return self.origin_at(whole, int(at)) if at.isdigit() else self.origin(key)

    def entries(self, key: str) -> dict[int | str, Span]:
        """The entries of the map of a key as they are written, by resolution or `other`; empty if it is no map."""
        found: dict[int | str, Span] = {}
        for name, span in self.origins.items():
            of, _, at = name.rpartition(".")
            if of == key and (at.isdigit() or at == OTHER):
                found[int(at) if at.isdigit() else OTHER] = span
        return dict(sorted(found.items(), key=lambda item: item[1].start))

    def new_block_draws(self) -> bool:
        """Whether a decoder block at a new resolution draws a latent for sure: in a map of latents it may have 0."""
        return not self.entries("model.latent")

    def with_entry(self, key: str, resolution: int, value: str) -> Fix | None:
        """The fix that gives a resolution another value in the map of a key; None if the value is no map."""
        entries, text = self.entries(key), f"{resolution}: {value}"
        if resolution in entries:
            return writing(entries[resolution], text)
        if OTHER not in entries:
            return None
        rest = entries[OTHER]
        return Fix(f"write `{text}`", (insertion(rest.source, rest.start, f"{text}, "),))

    def drawing_at(self, resolution: int, latent: int | str) -> Fix | None:
        """The fix that lets the blocks at a resolution draw, in a map of latents; None if there is no such map.

        None too under synchronous processing if encoder and decoder apply other numbers of blocks there: they have to
        be equal where a latent is drawn.
        """
        ops = [op for op in self.bridge.operations if op.resolution == resolution]
        applied = (sum(isinstance(op, kind) for op in ops) for kind in (EncoderBlock, TopDownBlock))
        if self.spec.model.processing == "synchronous" and len({*applied}) > 1:
            return None
        return self.with_entry("model.latent", resolution, str(latent))

    def without_entries(self, key: str, gone: Collection[int]) -> tuple[Edit, ...]:
        """The edits that remove entries from the map of a key; none if a comment is between them.

        A map that becomes empty is kept: it may override that of a base.
        """
        entries, whole = self.entries(key), self.origin(key)
        if len(gone) == len(entries) and "#" not in whole.text:
            return (Edit(whole, "{}"),)
        return item_removals([*entries.values()], [index for index, at in enumerate(entries) if at in gone])


class Rule(Record):
    """A check, the spec keys that it depends on, and what its findings make unreliable for the other rules."""

    check: Callable[[Unit], Iterable[Diagnostic]]
    needs: tuple[str, ...]
    poisons: tuple[str, ...] = ()
