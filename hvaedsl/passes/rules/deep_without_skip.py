"""A model deeper than 100 skips updates of huge gradients (HV603)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.advice.deep_without_skip import DeepWithoutSkip
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.cost import cost

DEEP = 100
KEY = "train.skip_above"
# Threshold by stochastic depth, of the weight-shared models of Falck, Williams et al. 2022, Table G.6.
PUBLISHED = {105: 2500.0, 125: 3000.0, 169: 5000.0, 235: 5000.0, 268: 4000.0}


def check(unit: Unit) -> Iterator[Diagnostic]:
    """A spec that says how long to train has a threshold where the model is deep."""
    train, depth = unit.spec.train, unit.analysis(cost).stochastic_depth
    if train.steps is None or train.skip_above is not None or depth <= DEEP:
        return
    nearest = min(PUBLISHED, key=lambda published: abs(published - depth))
    written = KEY in unit.origins
    yield DeepWithoutSkip(
        span=unit.origin(KEY if written else "model.decoder"),
        depth=depth,
        written=written,
        published=PUBLISHED[nearest],
        published_depth=nearest,
    )


ADVICE = (Rule(check, ("train.steps", KEY, "model.decoder")),)
