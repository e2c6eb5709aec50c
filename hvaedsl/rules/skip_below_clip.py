"""The threshold for skipped updates is not below the clipping norm (HV602)."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Label, Severity, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.passes.base import Rule, Unit

_RUN = "steps = 3000  batch_size = 16  learning_rate = 1e-3  ema_decay = 0.995"


class SkipBelowClip(Diagnostic):
    """HV602."""

    code = "HV602"
    severity = Severity.ADVICE
    title = "`skip_above` is {skip:g}, below `clip_norm`, which is {clip:g}"
    label = "gradients are never clipped"
    help = "{hint}"
    why = (
        "The norm is compared with `skip_above` before clipping. A gradient between the two is skipped instead of "
        "clipped, so clipping never happens. If the gradients of the untrained model exceed the threshold, every "
        "update is skipped, and the run never learns anything."
    )
    rests_on = (
        "openai/vdvae, train.py. In hps.py and in Falck, Williams et al. 2022, Table G.6, the threshold is at least "
        "the clipping norm: 200 and 200 for MNIST, 2500 and 200 for the weight-shared CIFAR-10."
    )
    bad = spec(rest=f"train {{ clip_norm = 200  skip_above = 100  {_RUN} }}")
    good = spec(rest=f"train {{ clip_norm = 200  skip_above = 2500  {_RUN} }}")

    skip: float
    clip: float

    @property
    def hint(self) -> str:
        """An example."""
        return self.proposal.replace("write", "raise the threshold, for example to", 1) + ", or lower `clip_norm`"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report `skip_above` below `clip_norm`. Equal values, as in some published runs, are fine."""
    train = unit.spec.train
    if not isinstance(train.skip_above, float) or train.clip_norm is None or train.skip_above >= train.clip_norm:
        return

    clip, skip = unit.origins.get("train.clip_norm"), unit.origin("train.skip_above")
    example = _above(train.clip_norm)
    yield SkipBelowClip(
        span=skip,
        skip=train.skip_above,
        clip=train.clip_norm,
        secondary=(Label(clip, "the clipping norm"),) if clip is not None else (),
        suggestions=(writing(skip, example, shown=f"skip_above = {example}"),),
    )


def _above(clip: float) -> str:
    """Ten times the clipping norm, about the ratio of the weight-shared models; never infinite."""
    example = 10 * clip
    return f"{example:g}" if example < sys.float_info.max / 2 else repr(clip)


ADVICE = (Rule(check, ("train.clip_norm", "train.skip_above")),)
