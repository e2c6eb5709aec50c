"""Batch, learning rate and average are near the published ones of the data set (HV604)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity, listing
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.passes.base import Rule, Unit

_MODEL = {"encoder": "32x1, 32d4, 8x1", "decoder": "8x1, 32m8, 32x2"}

_RUN = "steps = 100k  batch_size = 70  ema_decay = 0.9999"


class FarFromPublished(Diagnostic):
    """HV604."""

    code = "HV604"
    severity = Severity.ADVICE
    title = "`{key}` is {number}; the published runs on {dataset} take {published}"
    label = "{label_of_distance}"
    help = "write `{name} = {nearest:g}`, unless the distance is what you study"
    why = (
        "The published likelihoods were reached with these settings. A value more than ten times off is mostly a "
        "slip: a digit, or the batch of all GPUs where `batch_size` is that of one process. For the averaged weights "
        "the steps that they reach back over are compared, and only where the run is long enough for the published "
        "ones (HV601)."
    )
    rests_on = (
        "Falck, Williams et al. 2022, Tables G.2, G.3 and G.6; openai/vdvae, hps.py, for ImageNet and FFHQ. The "
        "factor of ten is chosen here."
    )
    configuration = (
        "asked of the data sets of the paper and of openai/vdvae; of `ema_decay` where `train.steps` is written"
    )
    bad = spec(data="dataset = mnist", **_MODEL, rest=f"train {{ {_RUN}  learning_rate = 1e-2 }}")
    good = spec(data="dataset = mnist", **_MODEL, rest=f"train {{ {_RUN}  learning_rate = 1e-4 }}")

    key: str
    dataset: str
    value: float
    published: str
    nearest: float
    factor: float  # above 1 where the value is too large, of the averages' reach where the key is ema_decay

    @property
    def name(self) -> str:
        """The key in its section."""
        return self.key.removeprefix("train.")

    @property
    def number(self) -> str:
        """The value, in full where it is a whole number."""
        return f"{self.value:,.0f}" if float(self.value).is_integer() and self.value < 1e15 else f"{self.value:g}"

    @property
    def label_of_distance(self) -> str:
        """How far off it is."""
        what = "reaches back " if self.name == "ema_decay" else ""
        far, times = ("further", self.factor) if self.factor > 1 else ("less far", 1 / self.factor)
        if not what:
            far = "larger" if self.factor > 1 else "smaller"
        rounded = float(f"{times:.3g}")
        return f"{what}{rounded:,.0f} times {far}" if 1000 <= rounded < 1e15 else f"{what}{rounded:g} times {far}"


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
