"""HV602: updates that are skipped below the clip."""

from __future__ import annotations

import sys

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic, Severity

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


KINDS = (SkipBelowClip,)
