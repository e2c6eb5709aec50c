"""HV605: training does not fit into the GPU memory that the spec states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from hvaedsl.diagnostics.additions import after_value
from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Label, Severity, listing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.divisors import divisors
from hvaedsl.ir.step_memory import GIB, StepMemory, bytes_of, weight_bytes
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.checkpointing import checkpointing
from hvaedsl.passes.cost import cost

_RUN = "steps = 3000  learning_rate = 1e-3  ema_decay = 0.995"


def _gib(number: float) -> str:
    return f"{number:,.0f} GiB" if number >= 100 else f"{number:.3g} GiB"


def _quoted(values: Mapping[str, int]) -> str:
    return listing((f"`{name} = {value}`" for name, value in values.items()), "and")


class TrainingMemory(Diagnostic):
    """HV605."""

    code = "HV605"
    severity = Severity.ADVICE
    title = "training needs about {needed}, more than `gpu_memory` ({available:g} GiB)"
    label = "a forward pass of {images} keeps {kept} of activations"
    help = "{hint}"
    why = (
        "A training step holds the weights, their gradients, AdamW's two moments and the averaged weights, all in "
        "float32: 20 bytes per parameter, and 2 more for the bfloat16 copy. The activations kept for the backward pass "
        "come on top and grow with the images of a forward pass; with `recompute_every` they are those of the "
        "checkpoints and of one segment. Without `micro_batch`, a batch is split until it fits, so that only a single "
        "image can be too large. Convolution workspace, fragmentation and the buffer in which several processes add "
        "up their gradients are not counted; the suggestions leave a tenth of the activations' room for them."
    )
    rests_on = (
        "Computed here; tests compare the count with the tensors that torch saves. Activation checkpointing: Falck, "
        "Williams et al. 2022, Appendix F."
    )
    configuration = "checked if `train.gpu_memory` and `train.batch_size` are set"
    bad = spec(
        decoder="4x1, 8m4, 8x48", rest=f"train {{ batch_size = 2000  micro_batch = 2000  gpu_memory = 4  {_RUN} }}"
    )
    good = spec(
        decoder="4x1, 8m4, 8x48", rest=f"train {{ batch_size = 2000  micro_batch = 1000  gpu_memory = 4  {_RUN} }}"
    )

    available: float  # GiB
    activations: float  # GiB
    one_image: float  # GiB of the activations of one image, with the best checkpoints
    batch: int  # images of a forward pass
    weights: float  # GiB of everything that does not grow with the batch
    fitting_batch: int  # the largest `micro_batch` that fits without other changes; 0 if none does
    fitting_every: int | None  # the `recompute_every` with which this batch fits
    fitting_batch_recomputed: int  # the largest `micro_batch` that fits with the best checkpoints
    best_every: int  # the `recompute_every` that needs the least memory

    @property
    def needed(self) -> str:
        """The memory of a training step."""
        return _gib(self.weights + self.activations)

    @property
    def images(self) -> str:
        """The images of a forward pass."""
        return "one image" if self.batch == 1 else f"{self.batch:,} images"

    @property
    def kept(self) -> str:
        """The memory of the activations, which grows with the batch."""
        return _gib(self.activations)

    @property
    def ways(self) -> list[dict[str, int]]:
        """The keys of `train` to change, each with its value: one dictionary for each way."""
        ways = []
        if self.fitting_every is not None:
            ways.append({"recompute_every": self.fitting_every})
        if self.fitting_batch:
            ways.append({"micro_batch": self.fitting_batch})
        elif self.fitting_every is None and self.fitting_batch_recomputed:
            ways.append({"micro_batch": self.fitting_batch_recomputed, "recompute_every": self.best_every})
        return ways

    @property
    def hint(self) -> str:
        """Fewer images at once, or checkpoints, or both, that fit."""
        slower = " (about a third more time)"
        ways = [f"{_quoted(values)}{slower * ([*values] == ['recompute_every'])}" for values in self.ways]
        if ways:
            return f"use {', or '.join(ways)}"
        image = f", and one image {_gib(self.one_image)}" if self.weights < self.available else ""
        return f"not even one image fits: weights and optimizer state take {_gib(self.weights)}{image}"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report a forward pass whose activations, beside weights and optimizer state, exceed `gpu_memory`."""
    train = unit.spec.train
    if train.gpu_memory is None or train.batch_size is None:
        return

    precision = train.activation_precision
    counted, kept, every = unit.analysis(cost), unit.analysis(checkpointing), train.recompute_every
    weights = weight_bytes(counted.parameters, precision)
    available = bytes_of(train.gpu_memory)

    def step(every: int | None) -> StepMemory:
        image = counted.activation_bytes(1, precision) if every is None else kept.peak_bytes(every, 1, precision)
        return StepMemory(weight_bytes=weights, image_bytes=image)

    # Training splits a batch as far as it has to, unless the spec sets the split.
    batch = train.micro_batch or 1
    if step(every).fits(batch, available):
        return

    # Search for checkpoints and batches that fit.
    best = min(_lengths(kept.steps), key=lambda length: step(length).image_bytes)
    batches = divisors(train.batch_size)

    def fitting(every: int | None) -> int:
        most = step(every).most_images(available)
        return max((size for size in batches if size <= min(most, batch)), default=0)

    place = unit.origins.get("train.gpu_memory")
    finding = TrainingMemory(
        span=unit.origin("train.micro_batch" if train.micro_batch is not None else "train.batch_size"),
        available=train.gpu_memory,
        activations=batch * step(every).image_bytes / GIB,
        one_image=step(best).image_bytes / GIB,
        batch=batch,
        weights=weights / GIB,
        fitting_batch=fitting(every),
        fitting_every=best if step(best).most_images(available) >= batch else None,
        fitting_batch_recomputed=fitting(best),
        best_every=best,
        secondary=(Label(place, "the GPU's memory"),) if place is not None else (),
    )
    yield replace(finding, suggestions=tuple(_writing(unit, values) for values in finding.ways))


def _writing(unit: Unit, values: Mapping[str, int]) -> Fix:
    """The suggestion to write these keys of `train`; `batch_size` is in the spec, others may follow it."""
    edits, batch = [], unit.origin("train.batch_size")
    for name, value in values.items():
        written = unit.origins.get(f"train.{name}")
        edits.append(after_value(batch, f"{name} = {value}") if written is None else Edit(written, str(value)))
    return Fix(f"write {_quoted(values)}", tuple(edits))


def _lengths(steps: int) -> Iterator[int]:
    """The lengths of segments to try: powers of 2 and three times those, up to the longer stack."""
    for power in range(steps.bit_length()):
        yield from (length for length in (2**power, 3 * 2**power) if length <= max(1, steps))


ADVICE = (
    Rule(
        check,
        (
            *("data.dataset", "data.resolution", "model.width", "model.widths", "model.latent", "model.bottleneck"),
            *("model.likelihood", "model.cell", "model.block", "model.encoder", "model.decoder"),
            *("train.batch_size", "train.micro_batch", "train.precision", "train.recompute_every"),
            "train.gpu_memory",
        ),
    ),
)
