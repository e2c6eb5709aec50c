"""The learning rate as a function of the step."""

from __future__ import annotations


def warmed_up_learning_rate(learning_rate: float, step: int, warmup_steps: int) -> float:
    """Linear warm-up, then constant: the rate of step 0 is 0, that of step `warmup_steps` is `learning_rate`.

    Steps count from 0, skipped updates included (openai/vdvae; Falck, Williams et al. 2022, Table G.2: 100 steps).
    """
    if step >= warmup_steps:
        return learning_rate
    return learning_rate * step / warmup_steps
