"""The learning rate as a function of the step."""

from __future__ import annotations

import math

from hvaedsl.ir.training import RunTraining

# The schedule `step`: a late drop, as Falck, Williams et al. 2022, Appendix F, suggest; both values are chosen here.
LATE_PART = 0.2
LATE_FACTOR = 0.1


def learning_rate_at(step: int, training: RunTraining) -> float:
    """Linear warm-up, then the schedule: the rate is 0 at step 0 and the full one at step `lr_warmup_steps`.

    Steps are 0-based and include skipped updates (openai/vdvae; Falck, Williams et al. 2022, Table G.2: 100 steps of
    warm-up, then constant).
    """
    warmup = training.lr_warmup_steps
    if step < warmup:
        return training.learning_rate * step / warmup
    return training.learning_rate * _factor(step, training)


def _factor(step: int, training: RunTraining) -> float:
    """The schedule's factor after the warm-up."""
    match training.lr_schedule:
        case "constant":
            return 1.0
        case "cosine":
            progress = (step - training.lr_warmup_steps) / max(1, training.steps - training.lr_warmup_steps)
            return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        case "step":
            return LATE_FACTOR if step >= (1 - LATE_PART) * training.steps else 1.0
