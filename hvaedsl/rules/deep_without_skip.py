"""HV603: a model with a stochastic depth above 100 does not skip updates with huge gradients."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.additions import after_value
from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Severity
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.cost import stochastic_depth

_RUN = "steps = 3000  batch_size = 16  learning_rate = 1e-3  ema_decay = 0.995"


class DeepWithoutSkip(Diagnostic):
    """HV603."""

    code = "HV603"
    severity = Severity.ADVICE
    title = "no update is ever skipped at a stochastic depth of {depth:,}"
    label = "{reason}"
    help = "{proposal} in `train`, as published for a depth of {published_depth}"
    why = (
        "Occasionally the gradient of a deep hierarchical VAE has a norm far above the usual one. Even clipped, it "
        "sets the direction of a whole update, and the model may not recover; the published runs skip such updates."
    )
    rests_on = (
        "Child 2021 and openai/vdvae, train.py, on skipped updates; thresholds of Falck, Williams et al. 2022, Table "
        "G.6. Every published model deeper than 100 has one."
    )
    configuration = "checked if `train.steps` is set"
    bad = spec(decoder="4x1, 8m4, 6*8r20", rest=f"train {{ {_RUN} }}")
    good = spec(decoder="4x1, 8m4, 6*8r20", rest=f"train {{ skip_above = 2500  {_RUN} }}")

    depth: int
    switched_off: bool  # whether the spec has `skip_above = none`
    published_depth: int

    @property
    def reason(self) -> str:
        """The meaning of the place."""
        return "every update is applied" if self.switched_off else f"{self.depth:,} latents in sequence"


DEEP = 100
KEY = "train.skip_above"
# Thresholds by stochastic depth: the weight-shared models of Falck, Williams et al. 2022, Table G.6.
PUBLISHED = {105: 2500.0, 125: 3000.0, 169: 5000.0, 235: 5000.0, 268: 4000.0}


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report deep models with a training length but no skip threshold."""
    train, depth = unit.spec.train, unit.analysis(stochastic_depth)
    if train.steps is None or train.skip_above is not None or depth <= DEEP:
        return

    nearest = min(PUBLISHED, key=lambda published: abs(published - depth))
    switched_off = KEY in unit.origins
    value, steps = f"{PUBLISHED[nearest]:g}", unit.origin("train.steps")
    written = Edit(unit.origin(KEY), value) if switched_off else after_value(steps, f"skip_above = {value}")
    yield DeepWithoutSkip(
        span=unit.origin(KEY if switched_off else "model.decoder"),
        depth=depth,
        switched_off=switched_off,
        published_depth=nearest,
        suggestions=(Fix(f"write `skip_above = {value}`", (written,)),),
    )


ADVICE = (Rule(check, ("train.steps", KEY, "model.decoder")),)
