"""A model deeper than 100 skips updates of huge gradients (HV603)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.cost import cost

_RUN = "steps = 3000  batch_size = 16  learning_rate = 1e-3  ema_decay = 0.995"


class DeepWithoutSkip(Diagnostic):
    """HV603."""

    code = "HV603"
    severity = Severity.ADVICE
    title = "a stochastic depth of {depth:,}, and no update is ever skipped"
    label = "{label_of_place}"
    help = "write `skip_above = {published:g}` in `train`, as published for a depth of {published_depth}"
    why = (
        "Now and then a gradient of a deep hierarchical VAE has a norm far above the usual one. Clipped, it still "
        "sets the direction of a whole update, and the model may not recover; the published runs skip such updates."
    )
    rests_on = (
        "Child 2021 and openai/vdvae, train.py, on skipped updates; thresholds of Falck, Williams et al. 2022, Table "
        "G.6. Every published model deeper than 100 has one."
    )
    configuration = "asked where `train.steps` is written"
    bad = spec(decoder="4x1, 8m4, 6*8r20", rest=f"train {{ {_RUN} }}")
    good = spec(decoder="4x1, 8m4, 6*8r20", rest=f"train {{ skip_above = 2500  {_RUN} }}")

    depth: int
    written: bool  # whether the spec says `skip_above = none`
    published: float
    published_depth: int

    @property
    def label_of_place(self) -> str:
        """What the place says."""
        return "every update is applied" if self.written else f"{self.depth:,} latents one after another"


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
