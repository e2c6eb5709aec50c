"""The contract of the passes.

- A transform is a function from a valid bridge to a valid bridge; its options are keyword parameters. The pipeline
  verifies the bridge before and after it.
- An analysis is a function of a bridge; it computes a value and changes nothing.
- A rule looks at a compilation unit and yields diagnostics. `needs` names the spec keys that it depends on: it is not
  asked where one of them could not be read. `model.encoder.walk` and `model.decoder.walk` stand for the resolutions of
  a block list: a list can be read and still hold an entry whose resolution, or what follows it, is in doubt.

The pipeline (`hvaedsl.pipeline`) hands results from one to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import TypeVar

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Span
from hvaedsl.ir.bridge import Bridge
from hvaedsl.ir.spec import Spec
from hvaedsl.syntax import ast

V = TypeVar("V")


class Unit(Record):
    """What a rule may look at."""

    documents: tuple[ast.Document, ...]
    spec: Spec
    origins: Mapping[str, Span]
    bridge: Bridge
    analyses: Mapping[Callable[[Bridge], object], object] = field(compare=False)

    def analysis(self, kind: Callable[[Bridge], V]) -> V:
        """The result of an analysis of the pipeline."""
        return self.analyses[kind]  # type: ignore[return-value]  # keyed by the function that computes it

    def origin(self, key: str) -> Span:
        """Where a key's value was written; the start of the spec where it is a default."""
        found = self.origins.get(key)
        return found if found is not None else self.documents[-1].source.span(0, 0)


class Rule(Record):
    """A check, and the spec keys that it depends on."""

    check: Callable[[Unit], Iterable[Diagnostic]]
    needs: tuple[str, ...]
