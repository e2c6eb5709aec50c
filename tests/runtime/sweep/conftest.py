from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from hvaedsl_runtime.evaluate.units import Gives
from hvaedsl_runtime.sweep.axes import Axis, grid
from hvaedsl_runtime.sweep.plan import Point, SweepPlan
from hvaedsl_runtime.sweep.results import PointResult, RunResult, SweepResults

MakeResults = Callable[..., SweepResults]


@pytest.fixture
def make_results() -> MakeResults:
    """Results of a sweep with these `likelihoods` of raw weights, by point and seed; averaged weights are 1 higher."""

    def make(
        axes: Sequence[Axis],
        likelihoods: Sequence[Sequence[float]],
        gives: Sequence[Gives] = ("mass",),
        **more: Any,
    ) -> SweepResults:
        points, results = [], []
        for index, (coordinates, values) in enumerate(zip(grid(axes, "small"), likelihoods, strict=True)):
            point = Point(
                name=coordinates.name,
                values=coordinates.values,
                parameters=1000 * (index + 1),
                stochastic_depth=3,
                activation_bytes=10**6,
                spec="",
            )
            points.append(point)
            kind = gives[index % len(gives)]
            runs = [replace(run(seed, value, 1.0 + index), gives=kind) for seed, value in enumerate(values)]
            results.append(PointResult(point, tuple(runs), {}))
        plan = SweepPlan(
            model="small",
            dataset="digits",
            axes=tuple(axes),
            seeds=tuple(range(max(map(len, likelihoods)))),
            points=tuple(points),
            **{"unit": "bits_per_dim", "average_is_slow": True, **more},
        )
        return SweepResults(plan, tuple(results))

    return make


def run(seed: int, value: float, seconds: float) -> RunResult:
    finite = math.isfinite(value)
    return RunResult(
        seed=seed,
        parameters=1000,
        wall_seconds=10 * seconds + seed,
        seconds_per_step=seconds,
        skipped_updates=0,
        device="cpu",
        test={"raw": value if finite else None, "ema": value + 1 if finite else None},
    )
