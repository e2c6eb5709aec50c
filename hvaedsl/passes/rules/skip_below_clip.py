"""The skip threshold is not below the clip (HV602)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.advice.skip_below_clip import SkipBelowClip
from hvaedsl.diagnostic import Diagnostic, Label
from hvaedsl.passes.base import Rule, Unit


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
