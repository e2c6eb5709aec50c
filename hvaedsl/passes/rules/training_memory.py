"""The training fits the GPU that the spec names (HV605)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from hvaedsl.catalog.advice.training_memory import TrainingMemory
from hvaedsl.diagnostic import Diagnostic, Label
from hvaedsl.ir.memory import Precision
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.checkpointing import checkpointing
from hvaedsl.passes.cost import cost

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
