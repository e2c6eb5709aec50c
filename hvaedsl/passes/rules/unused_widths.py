"""Widths of resolutions that the model never visits (HV502)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.advice import UnusedWidth
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.ir.bridge import output_resolution
from hvaedsl.passes.base import Rule, Unit


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Keys of `widths` that stand for no resolution of the bridge."""
    visited = {*unit.bridge.resolutions(), *(output_resolution(op) for _, op in unit.bridge.encoder)}
    unused = tuple(resolution for resolution in unit.spec.model.widths if resolution not in visited)
    if unused:
        yield UnusedWidth(span=unit.origin(f"model.widths.{unused[0]}"), unused=unused)


RULES = (Rule(check, ("data.dataset", "data.resolution", "model.widths", "model.encoder", "model.decoder")),)
