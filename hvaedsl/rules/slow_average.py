"""HV601: the run is too short for its EMA decay, so the averaged weights still contain the initial ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hvaedsl.diagnostics.additions import after_value
from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, Severity, writing
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.spec import LENGTH_KEYS, known_steps
from hvaedsl.passes.base import Rule, Unit

_RUN = "batch_size = 16  learning_rate = 1e-3"


class SlowAverage(Diagnostic):
    """HV601."""

    code = "HV601"
    severity = Severity.ADVICE
    title = "after {number_of_steps} the averaged weights are still {share:.0%} the initial ones"
    label = "a decay of {decay:g} averages over about {horizon:,} steps"
    help = "{hint}"
    why = (
        "The averaged weights start at the initial ones, without bias correction (openai/vdvae): with a decay of "
        "0.9999 they are still 82 % initial weights after 2,000 steps. Evaluations report both raw and averaged "
        "weights."
    )
    rests_on = (
        "openai/vdvae (train.py: a linear average, uncorrected); the share is the decay to the power of the steps."
    )
    configuration = "checked if `train.steps` is set; epochs only for datasets whose number of images is known"
    bad = spec(rest=f"train {{ steps = 2000  ema_decay = 0.9999  {_RUN} }}")
    good = spec(rest=f"train {{ steps = 2000  ema_decay = 0.995  {_RUN} }}")

    steps: int
    decay: float

    @property
    def number_of_steps(self) -> str:
        """The number of steps."""
        return counted(self.steps, "step")

    @property
    def share(self) -> float:
        """The share of the initial weights in the average at the end."""
        return float(self.decay**self.steps)

    @property
    def horizon(self) -> int:
        """The number of steps that the average covers."""
        return round(1 / (1 - self.decay))

    @property
    def fitting(self) -> float | None:
        """A decay whose horizon is a tenth of the run; None if that is less than two steps, which is no average."""
        return 1 - 10 / self.steps if self.steps >= SHORTEST_AVERAGED_RUN else None

    @property
    def hint(self) -> str:
        """The way out."""
        if self.fitting is None:
            way = self.proposal.replace("write", "set", 1)
            return f"train for more steps, or {way}: the averaged weights are then those of the last step"
        return f"use an `ema_decay` of at most {self.fitting:g} for a run this short, or the results of the raw weights"


# Below one percent the initial weights no longer affect the likelihood visibly.
WORTH_SAYING = 0.01
SHORTEST_AVERAGED_RUN = 20


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report an average in which the initial weights still matter at the last step."""
    train = unit.spec.train
    steps = known_steps(unit.spec)
    if steps is not None and train.ema_decay**steps > WORTH_SAYING:
        # A default decay has no place in the spec: the steps are too few for it.
        key = "train.ema_decay" if "train.ema_decay" in unit.origins else "train.steps"
        found = SlowAverage(span=unit.origin(key), steps=steps, decay=train.ema_decay)
        fitting = f"{found.fitting:g}" if found.fitting is not None else "0"
        statement = f"ema_decay = {fitting}"
        if key == "train.ema_decay":
            way = writing(found.span, fitting, shown=statement)
        else:
            way = Fix(f"write `{statement}`", (after_value(found.span, statement),))
        if float(fitting) >= 1:
            yield found
        elif key == "train.ema_decay" and found.fitting is not None:
            yield replace(found, fix=way)
        else:  # the author may as well train for more steps
            yield replace(found, suggestions=(way,))


ADVICE = (Rule(check, (*LENGTH_KEYS, "train.ema_decay")),)
