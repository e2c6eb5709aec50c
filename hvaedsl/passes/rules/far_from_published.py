"""Batch, learning rate and average are near the published ones of the data set (HV604)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.advice.far_from_published import FarFromPublished
from hvaedsl.diagnostic import Diagnostic, listing
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.record import Record

# More than ten times off is far; the rest is rounding.
FAR = 10 * (1 + 1e-6)
# The averaged weights follow where no more than this share of them is still the initial ones (HV601).
STILL_INITIAL = 0.01


class Published(Record):
    """The settings of the published runs on one data set."""

    batch_sizes: tuple[int, ...]  # per process
    learning_rate: float
    ema_decay: float


_IMAGENET32, _IMAGENET64 = Published((8,), 1.5e-4, 0.999), Published((4,), 1.5e-4, 0.999)
PUBLISHED = {
    "mnist": Published((70, 200), 1e-4, 0.9999),  # Table G.6; Table G.3
    "cifar10": Published((16,), 2e-4, 0.9999),
    "imagenet32": _IMAGENET32,
    "imagenet32_oord": _IMAGENET32,
    "imagenet64": _IMAGENET64,
    "imagenet64_oord": _IMAGENET64,
    "celeba": Published((4,), 1.5e-4, 0.999),
    "ffhq256": Published((1,), 1.5e-4, 0.999),  # openai/vdvae, hps.py
    "ffhq1024": Published((1,), 7e-5, 0.999),
}


def check_batch_size(unit: Unit) -> Iterator[Diagnostic]:
    """`batch_size` is within ten times the published ones."""
    published, value = PUBLISHED.get(unit.spec.data.dataset), unit.spec.train.batch_size
    if published is not None and value is not None:
        nearest = min(published.batch_sizes, key=lambda size: max(size / value, value / size))
        said = listing(map(str, published.batch_sizes))
        yield from _finding(unit, "train.batch_size", value, said, nearest, value / nearest)


def check_learning_rate(unit: Unit) -> Iterator[Diagnostic]:
    """`learning_rate` is within ten times the published one."""
    published, value = PUBLISHED.get(unit.spec.data.dataset), unit.spec.train.learning_rate
    if published is not None and value is not None:
        rate = published.learning_rate
        yield from _finding(unit, "train.learning_rate", value, f"{rate:g}", rate, value / rate)


def check_ema_decay(unit: Unit) -> Iterator[Diagnostic]:
    """`ema_decay` reaches back about as many steps as the published one; 0, which switches it off, is meant."""
    published, train = PUBLISHED.get(unit.spec.data.dataset), unit.spec.train
    if published is None or train.steps is None or not train.ema_decay:
        return
    decay = published.ema_decay
    if decay**train.steps <= STILL_INITIAL and train.ema_decay**train.steps <= STILL_INITIAL:
        factor = (1 - decay) / (1 - train.ema_decay)
        yield from _finding(unit, "train.ema_decay", train.ema_decay, f"{decay:g}", decay, factor)


def _finding(unit: Unit, key: str, value: float, published: str, nearest: float, factor: float) -> Iterator[Diagnostic]:
    if max(factor, 1 / factor) > FAR:
        yield FarFromPublished(
            span=unit.origin(key),
            key=key,
            dataset=unit.spec.data.dataset,
            value=value,
            published=published,
            nearest=nearest,
            factor=factor,
        )


ADVICE = (
    Rule(check_batch_size, ("data.dataset", "train.batch_size")),
    Rule(check_learning_rate, ("data.dataset", "train.learning_rate")),
    Rule(check_ema_decay, ("data.dataset", "train.steps", "train.ema_decay")),
)
