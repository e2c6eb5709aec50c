"""A model too large for any machine is a mistyped number (HV314)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.cost import parameter_count


class TooManyParameters(Diagnostic):
    """HV314."""

    code = "HV314"
    title = "the model would have {parameters:,} parameters; the limit is {limit:,}"
    label = "with this {key}"
    help = "check for a mistyped number"
    why = "The largest published model has 125 million parameters. The count is arithmetic; nothing is allocated."
    bad = spec(model="width = 1_000_000  latent = 4")
    good = spec()

    parameters: int
    limit: int
    key: str


MAX_PARAMETERS = 100_000_000_000


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report a parameter count above the limit."""
    parameters = unit.analysis(parameter_count)
    if parameters > MAX_PARAMETERS:
        bottleneck = unit.spec.model.bottleneck
        largest = max(bottleneck.values()) if isinstance(bottleneck, Mapping) else bottleneck
        key = "bottleneck" if largest > 1 else "width"
        span = unit.origin(f"model.{key}")
        yield TooManyParameters(span=span, parameters=parameters, limit=MAX_PARAMETERS, key=key)


ERRORS = (Rule(check, ("data.dataset", "data.resolution", "model.width", "model.encoder", "model.decoder")),)
