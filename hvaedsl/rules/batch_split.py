"""The images of a step are split evenly (HV326), and not at all where a norm runs over the batch (HV325)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Label, listing, writing
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.divisors import divisors, largest_divisor
from hvaedsl.passes.base import Rule, Unit

_SHOWN = 12
_RUN = "steps = 3000  learning_rate = 1e-3  ema_decay = 0.995"
_NORM = "normalize_state { over = batch  norm = rms }  # hvae: ignore[HV504] the ablation of the paper"


class UnevenSplit(Diagnostic):
    """HV326."""

    code = "HV326"
    title = "`micro_batch = {micro_batch}` does not divide `batch_size = {batch_size}`"
    label = "{parts}"
    help = "use {proposed}, or another batch_size"
    why = (
        "A step computes its batch in forward passes of `micro_batch` images and adds up their gradients. With equal "
        "parts, every image has the same weight, and the result does not depend on the split."
    )
    bad = spec(rest=f"train {{ batch_size = 16  micro_batch = 6  {_RUN} }}")
    good = spec(rest=f"train {{ batch_size = 16  micro_batch = 4  {_RUN} }}")

    batch_size: int
    micro_batch: int

    @property
    def parts(self) -> str:
        """What is left over."""
        if self.micro_batch > self.batch_size:
            return f"more than the {self.batch_size:,} images of a step"
        return f"the last forward pass would have {self.batch_size % self.micro_batch:,} of {self.micro_batch:,} images"

    @property
    def proposed(self) -> str:
        """The numbers that divide the batch, the nearest ones if there are many."""
        found = divisors(self.batch_size)
        at = sum(size < self.micro_batch for size in found)
        first = min(max(0, at - _SHOWN // 2), max(0, len(found) - _SHOWN))
        return listing([f"{size:,}" for size in found[first : first + _SHOWN]])


class SplitNorm(Diagnostic):
    """HV325."""

    code = "HV325"
    title = "the batch is split into forward passes of {micro_batch_images}, and `normalize_state` norms over the batch"
    label = "a norm would run over {micro_batch} of {batch_size} images"
    help = "{proposal}, or remove the key, so that a forward pass has the whole batch"
    why = (
        "With `over = batch`, the state is divided by a norm over the images of a forward pass. Computed in parts, the "
        "same step would have another result, which would then depend on the memory of the device."
    )
    bad = spec(model=f"width = 16  latent = 4  {_NORM}", rest=f"train {{ batch_size = 16  micro_batch = 4  {_RUN} }}")
    good = spec(model=f"width = 16  latent = 4  {_NORM}", rest=f"train {{ batch_size = 16  {_RUN} }}")

    batch_size: int
    micro_batch: int

    @property
    def micro_batch_images(self) -> str:
        """The images of a forward pass, with their number."""
        return counted(self.micro_batch, "image")


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report a `micro_batch` that does not divide the batch."""
    train = unit.spec.train
    batch, micro = train.batch_size, train.micro_batch
    if batch is not None and micro is not None and batch % micro:
        origin, place = unit.origin("train.micro_batch"), unit.origins.get("train.batch_size")
        nearest = largest_divisor(batch, micro)
        yield UnevenSplit(
            span=origin,
            batch_size=batch,
            micro_batch=micro,
            suggestions=(writing(origin, str(nearest), shown=f"micro_batch = {nearest}"),),
            secondary=(Label(place, "the images of a step"),) if place is not None else (),
        )


def check_norm(unit: Unit) -> Iterator[Diagnostic]:
    """Report a `micro_batch` that splits the images of a norm."""
    train, norm = unit.spec.train, unit.spec.model.normalize_state
    batch, micro = train.batch_size, train.micro_batch
    if norm.norm is not None and norm.over == "batch" and batch is not None and micro not in (None, batch):
        place = unit.origin("model.normalize_state.over")
        yield SplitNorm(
            span=unit.origin("train.micro_batch"),
            batch_size=batch,
            micro_batch=micro,
            secondary=(Label(place, "one norm for the batch"),),
            suggestions=(writing(place, "sample", shown="over = sample"),),
        )


_KEYS = ("train.batch_size", "train.micro_batch")
ERRORS = (
    Rule(check, _KEYS),
    Rule(check_norm, (*_KEYS, "model.normalize_state.over", "model.normalize_state.norm")),
)
