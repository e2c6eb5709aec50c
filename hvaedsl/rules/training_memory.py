"""The training fits the GPU that the spec names (HV605)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from hvaedsl.diagnostics.diagnostic import Diagnostic, Label, Severity
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.memory import Precision
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.checkpointing import checkpointing
from hvaedsl.passes.cost import cost

_RUN = "steps = 3000  learning_rate = 1e-3  ema_decay = 0.995"


def _gib(number: float) -> str:
    return f"{number:,.0f} GiB" if number >= 100 else f"{number:.3g} GiB"


class TrainingMemory(Diagnostic):
    """HV605."""

    code = "HV605"
    severity = Severity.ADVICE
    title = "training takes about {needed}, and `gpu_memory` is {available:g} GiB"
    label = "a batch of {batch:,} keeps {kept} of activations"
    help = "{hint}"
    why = (
        "A training step holds the weights, their gradients, AdamW's two moments and the averaged weights, all in "
        "float32: 20 bytes a parameter, and 2 more for the copy that bfloat16 computes with. To these come the "
        "activations that wait for the backward pass, which grow with the batch; with `recompute_every`, those of the "
        "checkpoints and of one segment. The convolutions' workspace, the allocator's gaps and, of several processes, "
        "the gradients' buckets are not counted: what is proposed leaves a tenth of the activations' room for them."
    )
    rests_on = (
        "Computed here; tests hold the count against what torch saves. Activation checkpointing: Falck, Williams et "
        "al. 2022, Appendix F."
    )
    configuration = "asked where `train.gpu_memory` and `train.batch_size` are written"
    bad = spec(decoder="4x1, 8m4, 8x40", rest=f"train {{ batch_size = 2000  gpu_memory = 4  {_RUN} }}")
    good = spec(
        decoder="4x1, 8m4, 8x40", rest=f"train {{ batch_size = 2000  gpu_memory = 4  recompute_every = 6  {_RUN} }}"
    )

    available: float  # GiB
    activations: float  # GiB
    one_image: float  # GiB of its activations, with the best checkpoints
    batch: int
    weights: float  # GiB: all that does not grow with the batch
    fitting_batch: int  # the largest that fits as it is; 0 where none does
    fitting_every: int | None  # checkpoints with which this batch fits
    fitting_batch_recomputed: int  # the largest that fits with the best checkpoints
    best_every: int

    @property
    def needed(self) -> str:
        """All of it."""
        return _gib(self.weights + self.activations)

    @property
    def kept(self) -> str:
        """What grows with the batch."""
        return _gib(self.activations)

    @property
    def hint(self) -> str:
        """A batch, or checkpoints, or both, that fit."""
        ways = []
        if self.fitting_every is not None:
            ways.append(f"`recompute_every = {self.fitting_every}`, for about a third more time")
        if self.fitting_batch:
            ways.append(f"`batch_size = {self.fitting_batch}`")
        elif self.fitting_every is None and self.fitting_batch_recomputed:
            ways.append(f"`batch_size = {self.fitting_batch_recomputed}` and `recompute_every = {self.best_every}`")
        if ways:
            return f"what fits is {', or '.join(ways)}"
        image = f" and one image {_gib(self.one_image)}" if self.weights < self.available else ""
        return f"nothing fits: the weights and what the optimiser keeps of them take {_gib(self.weights)}{image}"


GIB = 2**30
# In float32: weights, gradients, AdamW's two moments, the averaged weights.
BYTES_PER_PARAMETER = 5 * 4
# Autocast keeps a copy of the convolutions' weights for the backward pass.
BFLOAT16_COPY_BYTES = 2
# Of what is left for activations, what a proposal fills: workspace and gaps take the rest.
FILLED = 0.9


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Weights, what the optimiser keeps, and activations together are no more than `gpu_memory`."""
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
    for_activations = int(Fraction(train.gpu_memory) * GIB) - weights  # a float of any size, which cannot overflow

    def per_image(every: int | None) -> int:
        return counted.activation_bytes(1, precision) if every is None else kept.peak_bytes(every, 1, precision)

    activations = batch * per_image(every)
    if activations <= for_activations:
        return
    best = min(_lengths(kept.steps), key=per_image)
    room = FILLED * for_activations
    available = unit.origins.get("train.gpu_memory")
    yield TrainingMemory(
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


def _lengths(steps: int) -> Iterator[int]:
    """Lengths of segments that are worth a try: powers of 2, and those times 3, up to the longer stack."""
    for power in range(steps.bit_length()):
        yield from (length for length in (2**power, 3 * 2**power) if length <= max(1, steps))


ADVICE = (
    Rule(
        check,
        (
            *("data.dataset", "data.resolution", "model.width", "model.widths", "model.latent", "model.bottleneck"),
            *("model.likelihood", "model.cell", "model.encoder", "model.decoder"),
            *("train.batch_size", "train.precision", "train.recompute_every", "train.gpu_memory"),
        ),
    ),
)
