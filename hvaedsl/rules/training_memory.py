"""HV605: training does not fit into the GPU memory that the spec states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from hvaedsl.diagnostics.additions import after_value
from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Label, Severity, listing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.memory import Precision
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
    label = "a batch of {batch:,} keeps {kept} of activations"
    help = "{hint}"
    why = (
        "A training step holds the weights, their gradients, AdamW's two moments and the averaged weights, all in "
        "float32: 20 bytes per parameter, and 2 more for the bfloat16 copy. The activations kept for the backward pass "
        "come on top and grow with the batch; with `recompute_every` they are those of the checkpoints and of one "
        "segment. Convolution workspace, fragmentation and the gradient buckets of several processes are not counted; "
        "the suggestions leave a tenth of the activations' room for them."
    )
    rests_on = (
        "Computed here; tests compare the count with the tensors that torch saves. Activation checkpointing: Falck, "
        "Williams et al. 2022, Appendix F."
    )
    configuration = "checked if `train.gpu_memory` and `train.batch_size` are set"
    bad = spec(decoder="4x1, 8m4, 8x40", rest=f"train {{ batch_size = 2000  gpu_memory = 4  {_RUN} }}")
    good = spec(
        decoder="4x1, 8m4, 8x40", rest=f"train {{ batch_size = 2000  gpu_memory = 4  recompute_every = 6  {_RUN} }}"
    )

    available: float  # GiB
    activations: float  # GiB
    one_image: float  # GiB of the activations of one image, with the best checkpoints
    batch: int
    weights: float  # GiB of everything that does not grow with the batch
    fitting_batch: int  # the largest batch that fits without other changes; 0 if none does
    fitting_every: int | None  # the `recompute_every` with which this batch fits
    fitting_batch_recomputed: int  # the largest batch that fits with the best checkpoints
    best_every: int  # the `recompute_every` that needs the least memory

    @property
    def needed(self) -> str:
        """The memory of a training step."""
        return _gib(self.weights + self.activations)

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
            ways.append({"batch_size": self.fitting_batch})
        elif self.fitting_every is None and self.fitting_batch_recomputed:
            ways.append({"batch_size": self.fitting_batch_recomputed, "recompute_every": self.best_every})
        return ways

    @property
    def hint(self) -> str:
        """A batch, or checkpoints, or both, that fit."""
        slower = " (about a third more time)"
        ways = [f"{_quoted(values)}{slower * ([*values] == ['recompute_every'])}" for values in self.ways]
        if ways:
            return f"use {', or '.join(ways)}"
        image = f", and one image {_gib(self.one_image)}" if self.weights < self.available else ""
        return f"no batch fits: weights and optimizer state take {_gib(self.weights)}{image}"


GIB = 2**30
# Weights, gradients, AdamW's two moments and the averaged weights, in float32.
BYTES_PER_PARAMETER = 5 * 4
# Autocast keeps a copy of the convolutions' weights for the backward pass.
BFLOAT16_COPY_BYTES = 2
# The share of the room for activations that a suggestion fills; workspace and fragmentation take the rest.
FILLED = 0.9


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report a training step whose weights, optimizer state and activations exceed `gpu_memory`."""
    train = unit.spec.train
    if train.gpu_memory is None or train.batch_size is None:
        return

    precision: Precision = "bfloat16" if train.precision == "bfloat16" else "float32"
    counted, kept, batch, every = (
        unit.analysis(cost),
        unit.analysis(checkpointing),
        train.batch_size,
        train.recompute_every,
    )
    weights = counted.parameters * (BYTES_PER_PARAMETER + BFLOAT16_COPY_BYTES * (precision == "bfloat16"))
    for_activations = int(Fraction(train.gpu_memory) * GIB) - weights  # a Fraction, since a float could overflow

    def per_image(every: int | None) -> int:
        return counted.activation_bytes(1, precision) if every is None else kept.peak_bytes(every, 1, precision)

    activations = batch * per_image(every)
    if activations <= for_activations:
        return

    # Search for checkpoints and batches that fit.
    best = min(_lengths(kept.steps), key=per_image)
    room = FILLED * for_activations
    available = unit.origins.get("train.gpu_memory")
    finding = TrainingMemory(
        span=unit.origin("train.batch_size"),
        available=train.gpu_memory,
        activations=activations / GIB,
        one_image=per_image(best) / GIB,
        batch=batch,
        weights=weights / GIB,
        fitting_batch=max(0, int(room // per_image(every))),
        fitting_every=best if batch * per_image(best) <= room else None,
        fitting_batch_recomputed=max(0, int(room // per_image(best))),
        best_every=best,
        secondary=(Label(available, "the GPU's memory"),) if available is not None else (),
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
            *("train.batch_size", "train.precision", "train.recompute_every", "train.gpu_memory"),
        ),
    ),
)
