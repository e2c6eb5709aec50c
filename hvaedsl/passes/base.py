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

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, item_removals
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Span
from hvaedsl.ir.bridge import Bridge
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

    def without_entries(self, key: str, values: Mapping[int, object], gone: Collection[int]) -> tuple[Edit, ...]:
        """The edits that remove entries from the map of a key; none if a comment is between them.

        A map that becomes empty is kept: it may override that of a base.
        """
        entries = sorted((self.origin(f"{key}.{resolution}").start, resolution) for resolution in values)
        spans = [self.origin(f"{key}.{resolution}") for _, resolution in entries]
        whole = self.origin(key)
        if len(gone) == len(values) and "#" not in whole.text:
            return (Edit(whole, "{}"),)
        return item_removals(spans, [at for at, (_, resolution) in enumerate(entries) if resolution in gone])


class Rule(Record):
    """A check, the spec keys that it depends on, and what its findings make unreliable for the other rules."""

    check: Callable[[Unit], Iterable[Diagnostic]]
    needs: tuple[str, ...]
    poisons: tuple[str, ...] = ()
