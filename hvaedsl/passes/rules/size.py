"""A model that no machine holds is a slip of the hand (HV314)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.resolutions import TooManyParameters
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.cost import cost

MAX_PARAMETERS = 100_000_000_000


def check(unit: Unit) -> Iterator[Diagnostic]:
    """The parameter count is within reason."""
    parameters = unit.analysis(cost).parameters
    if parameters > MAX_PARAMETERS:
        yield TooManyParameters(span=unit.origin("model.width"), parameters=parameters, limit=MAX_PARAMETERS)


ERRORS = (Rule(check, ("data.dataset", "data.resolution", "model.width", "model.encoder", "model.decoder")),)
