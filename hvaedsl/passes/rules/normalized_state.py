"""A state that is divided by its norm does not learn (HV504)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.advice.normalized_state import NormalizedState
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.passes.base import Rule, Unit


def check(unit: Unit) -> Iterator[Diagnostic]:
    """`normalize_state` is on."""
    if unit.spec.model.normalize_state.norm is not None:
        yield NormalizedState(span=unit.origin("model.normalize_state.norm"))


ADVICE = (Rule(check, ("model.normalize_state.norm",)),)
