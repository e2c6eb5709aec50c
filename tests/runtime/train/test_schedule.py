from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from hvaedsl import Program
from hvaedsl_runtime.train.schedule import learning_rate_at

Compiled = Callable[..., Program]


def rate(compiled: Compiled, step: int, **train: object) -> float:
    sets: dict[str, object] = {"train.learning_rate": 0.2, "train.lr_warmup_steps": 100, "train.steps": 1100}
    sets |= {f"train.{key}": value for key, value in train.items()}
    return learning_rate_at(step, compiled(sets).training().for_run(30))


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
@pytest.mark.parametrize(("step", "expected"), [(0, 0.0), (1, 0.002), (50, 0.1), (99, 0.198), (100, 0.2)])
def test_warm_up_is_linear_from_zero(compiled: Compiled, schedule: str, step: int, expected: float) -> None:
    assert rate(compiled, step, lr_schedule=schedule) == pytest.approx(expected, rel=1e-12)


def test_no_warm_up(compiled: Compiled) -> None:
    assert rate(compiled, 0, lr_warmup_steps=0) == 0.2


def test_constant_stays(compiled: Compiled) -> None:
    assert rate(compiled, 1099) == rate(compiled, 10**6) == 0.2


@pytest.mark.parametrize("step", [100, 350, 600, 1000, 1100, 5000])
def test_cosine_falls_to_zero_at_the_last_step(compiled: Compiled, step: int) -> None:
    expected = 0.1 * (1 + math.cos(math.pi * min(1.0, (step - 100) / 1000)))
    assert rate(compiled, step, lr_schedule="cosine") == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(("step", "expected"), [(879, 0.2), (880, 0.02), (1099, 0.02)])
def test_step_drops_to_a_tenth_for_the_last_fifth(compiled: Compiled, step: int, expected: float) -> None:
    assert rate(compiled, step, lr_schedule="step") == pytest.approx(expected, rel=1e-12)
