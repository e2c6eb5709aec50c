from __future__ import annotations

import pytest

from hvaedsl_runtime.schedule import warmed_up_learning_rate


@pytest.mark.parametrize(("step", "expected"), [(0, 0.0), (1, 0.002), (50, 0.1), (99, 0.198), (100, 0.2), (10**6, 0.2)])
def test_rises_linearly_from_zero_and_stays(step: int, expected: float) -> None:
    assert warmed_up_learning_rate(0.2, step, 100) == pytest.approx(expected, rel=1e-12)


def test_without_warmup_the_first_step_has_the_whole_rate() -> None:
    assert warmed_up_learning_rate(0.2, 0, 0) == 0.2
