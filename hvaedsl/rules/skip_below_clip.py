"""The skip threshold is not below the clip (HV602)."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Label, Severity
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.passes.base import Rule, Unit

_RUN = "steps = 3000  batch_size = 16  learning_rate = 1e-3  ema_decay = 0.995"


class SkipBelowClip(Diagnostic):
    """HV602."""

    code = "HV602"
    severity = Severity.ADVICE
    title = "updates are skipped at a gradient norm of {skip:g}, and clipped at {clip:g}"
    label = "below the clip"
    help = "write a threshold above the clip, such as `skip_above = {example:g}`, or a lower clip"
    why = (
        "The norm is compared with `skip_above` before it is clipped. A gradient between the two is not clipped but "
        "skipped, so that clipping never acts; and where an untrained model's gradients are larger than the "
        "threshold, no step changes the weights, and every later one is skipped too: the run goes on for ever and "
        "learns nothing."
    )
    rests_on = (
        "openai/vdvae, train.py. In hps.py and in Falck, Williams et al. 2022, Table G.6, the threshold is at least "
        "the clip: 200 and 200 for MNIST, 2500 and 200 for the weight-shared CIFAR-10."
    )
    bad = spec(rest=f"train {{ clip_norm = 200  skip_above = 100  {_RUN} }}")
    good = spec(rest=f"train {{ clip_norm = 200  skip_above = 2500  {_RUN} }}")

    skip: float
    clip: float

    @property
    def example(self) -> float:
        """Ten times the clip, as is about usual for weight-shared models; never infinite."""
        return min(10 * self.clip, sys.float_info.max / 2)


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Both are set, and `skip_above` is the smaller; published runs have them equal too."""
    train = unit.spec.train
    if train.skip_above is None or train.clip_norm is None or train.skip_above >= train.clip_norm:
        return
    clip = unit.origins.get("train.clip_norm")
    yield SkipBelowClip(
        span=unit.origin("train.skip_above"),
        skip=train.skip_above,
        clip=train.clip_norm,
        secondary=(Label(clip, "the clip"),) if clip is not None else (),
    )


ADVICE = (Rule(check, ("train.clip_norm", "train.skip_above")),)
