"""HV604: batch size, learning rate or EMA decay is far from the published value for the dataset."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.additions import after_value
from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Severity, listing, rewriting
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.diagnostics.span import Span
from hvaedsl.ir.divisors import largest_divisor
from hvaedsl.ir.spec import LENGTH_KEYS, known_steps
from hvaedsl.passes.base import Rule, Unit

_MODEL = {"encoder": "32x1, 32d4, 8x1", "decoder": "8x1, 32m8, 32x2"}

_RUN = "steps = 100k  batch_size = 70  ema_decay = 0.9999"


class FarFromPublished(Diagnostic):
    """HV604."""

    code = "HV604"
    severity = Severity.ADVICE
    title = "`{key}` is {number}; the published runs on {dataset} use {published}"
    label = "{distance}"
    help = "{proposal}, unless the difference is intended"
    why = (
        "The published likelihoods were reached with these settings. A value that differs by more than a factor of "
        "ten is usually a mistake: a wrong digit, or the batch of one GPU where that of all is meant. For `ema_decay` "
        "the averaging horizons are compared, and only if the run is long enough for the published one (HV601)."
    )
    rests_on = (
        "Falck, Williams et al. 2022, Tables G.2, G.3 and G.6; openai/vdvae, hps.py, for ImageNet and FFHQ. The "
        "factor of ten is our choice."
    )
    configuration = (
        "checked for the datasets of the paper and of openai/vdvae; `ema_decay` only if `train.steps` is set"
    )
    bad = spec(data="dataset = mnist", **_MODEL, rest=f"train {{ {_RUN}  learning_rate = 1e-2 }}")
    good = spec(data="dataset = mnist", **_MODEL, rest=f"train {{ {_RUN}  learning_rate = 1e-4 }}")

    key: str
    dataset: str
    value: float
    published: str
    factor: float  # of the values, or of the averaging horizons if the key is ema_decay; above 1 for too large

    @property
    def name(self) -> str:
        """The key without its section."""
        return self.key.removeprefix("train.")

    @property
    def number(self) -> str:
        """The value; an integer is printed in full."""
        return f"{self.value:,.0f}" if float(self.value).is_integer() and self.value < 1e15 else f"{self.value:g}"

    @property
    def distance(self) -> str:
        """How far the value is from the published one."""
        averages = self.name == "ema_decay"
        times = self.factor if self.factor > 1 else 1 / self.factor
        comparison = ("longer" if averages else "larger") if self.factor > 1 else ("shorter" if averages else "smaller")
        rounded = float(f"{times:.3g}")
        number = f"{rounded:,.0f}" if 1000 <= rounded < 1e15 else f"{rounded:g}"
        return f"{'a horizon ' if averages else ''}{number} times {comparison}"


# The factor that counts as far, with a margin for rounding.
FAR = 10 * (1 + 1e-6)
# The horizon fits the run if the initial weights keep at most this share of the average (HV601).
STILL_INITIAL = 0.01


class Published(Record):
    """The settings of the published runs on one dataset."""

    batch_sizes: tuple[int, ...]  # of a step; the paper prints those of one GPU, and no number of GPUs
    learning_rate: float
    ema_decay: float


# openai/vdvae's README: 32 processes with the batch of hps.py each.
_IMAGENET64 = Published((128,), 1.5e-4, 0.999)
PUBLISHED = {
    "mnist": Published((70, 200), 1e-4, 0.9999),  # Table G.6; Table G.3
    "cifar10": Published((16,), 2e-4, 0.9999),
    "imagenet32": Published((8,), 1.5e-4, 0.999),
    "imagenet32_oord": Published((256,), 1.5e-4, 0.999),
    "imagenet64": _IMAGENET64,
    "imagenet64_oord": _IMAGENET64,
    "celeba": Published((4,), 1.5e-4, 0.999),
    "ffhq256": Published((32,), 1.5e-4, 0.999),
    "ffhq1024": Published((32,), 7e-5, 0.999),
}


def check_batch_size(unit: Unit) -> Iterator[Diagnostic]:
    """Report a `batch_size` that differs from all published ones by more than a factor of ten."""
    published, value = PUBLISHED.get(unit.spec.data.dataset), unit.spec.train.batch_size
    if published is not None and value is not None:
        nearest = min(published.batch_sizes, key=lambda size: max(size / value, value / size))
        sizes, parts = listing(map(str, published.batch_sizes)), _dividing(unit, nearest)
        yield from _finding(unit, "train.batch_size", value, sizes, nearest, value / nearest, parts)


def _dividing(unit: Unit, batch: int) -> int | None:
    """The `micro_batch` to write beside another batch; None if the spec has none or it divides that batch (HV326)."""
    micro = unit.spec.train.micro_batch
    if micro is None or batch % micro == 0:
        return None
    return largest_divisor(batch, micro)


def check_learning_rate(unit: Unit) -> Iterator[Diagnostic]:
    """Report a `learning_rate` that differs from the published one by more than a factor of ten."""
    published, value = PUBLISHED.get(unit.spec.data.dataset), unit.spec.train.learning_rate
    if published is not None and value is not None:
        rate = published.learning_rate
        yield from _finding(unit, "train.learning_rate", value, f"{rate:g}", rate, value / rate)


def check_ema_decay(unit: Unit) -> Iterator[Diagnostic]:
    """Report an `ema_decay` whose horizon differs from the published one by more than a factor of ten.

    0 switches the average off and is not reported.
    """
    published, train, steps = PUBLISHED.get(unit.spec.data.dataset), unit.spec.train, known_steps(unit.spec)
    if published is None or steps is None or not train.ema_decay:
        return

    decay = published.ema_decay
    if decay**steps <= STILL_INITIAL and train.ema_decay**steps <= STILL_INITIAL:
        factor = (1 - decay) / (1 - train.ema_decay)
        yield from _finding(unit, "train.ema_decay", train.ema_decay, f"{decay:g}", decay, factor)


def _finding(
    unit: Unit, key: str, value: float, published: str, nearest: float, factor: float, micro_batch: int | None = None
) -> Iterator[Diagnostic]:
    if max(factor, 1 / factor) > FAR:
        number, origin = f"{nearest:g}", unit.origin(key)
        statements, edits = [f"`{key.rpartition('.')[2]} = {number}`"], [rewriting(origin, number)]
        if micro_batch is not None:
            statements.append(f"`micro_batch = {micro_batch}`")
            edits.append(_micro_batch_edit(unit, origin, micro_batch))

        yield FarFromPublished(
            span=origin,
            key=key,
            dataset=unit.spec.data.dataset,
            value=value,
            published=published,
            factor=factor,
            suggestions=(Fix(f"write {listing(statements, 'and')}", tuple(edits)),),
        )


def _micro_batch_edit(unit: Unit, batch: Span, micro_batch: int) -> Edit:
    """The number in place, or, if a base has it, a statement of its own beside `batch_size`."""
    place = unit.origin("train.micro_batch")
    if place.source is batch.source:
        return rewriting(place, str(micro_batch))
    return after_value(batch, f"micro_batch = {micro_batch}")


ADVICE = (
    Rule(check_batch_size, ("data.dataset", "train.batch_size", "train.micro_batch")),
    Rule(check_learning_rate, ("data.dataset", "train.learning_rate")),
    Rule(check_ema_decay, (*LENGTH_KEYS, "train.ema_decay")),
)
