"""An average of the weights that has not left its start when the run ends (HV601)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hvaedsl.catalog.advice.slow_average import SlowAverage
from hvaedsl.diagnostic import Diagnostic, Edit, Fix
from hvaedsl.passes.base import Rule, Unit

# Below one per cent, the initial weights are no longer seen in a likelihood.
WORTH_SAYING = 0.01


def check(unit: Unit) -> Iterator[Diagnostic]:
    """The share of the initial weights in the average at the last step."""
    train = unit.spec.train
    if train.steps is not None and train.ema_decay**train.steps > WORTH_SAYING:
        # A default stands nowhere: the steps are too few for it.
        key = "train.ema_decay" if "train.ema_decay" in unit.origins else "train.steps"
        found = SlowAverage(span=unit.origin(key), steps=train.steps, decay=train.ema_decay)
        fitting = f"{found.fitting:g}"
        if key == "train.ema_decay" and 0 < float(fitting) < 1:
            found = replace(found, fix=Fix(f"write `{fitting}`", (Edit(found.span, fitting),)))
        yield found


ADVICE = (Rule(check, ("train.steps", "train.ema_decay")),)
