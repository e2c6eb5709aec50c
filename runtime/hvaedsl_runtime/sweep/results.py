"""The results of a sweep: statistics over the seeds of each point. This module does not import torch."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, median, stdev
from typing import Any, Literal

from hvaedsl.diagnostics.errors import DamagedRun
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.strict_json import json_text
from hvaedsl_runtime.disk.whole_files import write_whole
from hvaedsl_runtime.evaluate.units import Gives, common_gives, recorded, recorded_gives
from hvaedsl_runtime.sweep.folder import SweepFolder
from hvaedsl_runtime.sweep.plan import Point, SweepPlan

Weights = Literal["raw", "ema"]
WEIGHT_KINDS: tuple[Weights, Weights] = ("raw", "ema")
MIN_SEEDS = 3  # with fewer seeds, results are only indicative


@dataclass(frozen=True)
class RunResult:
    """A finished run. `test` has the bound in the unit of the sweep, by weights; None if it is not finite.

    `gives` says what the likelihood computes.
    """

    seed: int
    parameters: int
    wall_seconds: float
    seconds_per_step: float
    skipped_updates: int
    device: str
    test: Mapping[Weights, float | None]
    gives: Gives = "mass"


@dataclass(frozen=True)
class Spread:
    """The mean over seeds and the sample standard deviation (n - 1), which is None for a single seed."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Spread | None:
        """The spread of values; None if there are none, or if some are None (not finite)."""
        finite = [value for value in values if value is not None]
        if not finite or len(finite) < len(values):
            return None
        return cls(mean(finite), stdev(finite) if len(finite) > 1 else None)

    def to_dict(self) -> dict[str, float | None]:
        """The mean and the standard deviation by name."""
        return {"mean": self.mean, "standard_deviation": self.deviation}


@dataclass(frozen=True)
class PointResult:
    """A point with its finished runs, and the messages of failed runs by seed."""

    point: Point
    runs: tuple[RunResult, ...]
    failures: Mapping[int, str]

    def test(self, weights: Weights) -> Spread | None:
        """The bound on the test split over seeds."""
        return Spread.of([run.test[weights] for run in self.runs])

    @property
    def wall_seconds(self) -> Spread | None:
        """The time in training steps over seeds."""
        return Spread.of([run.wall_seconds for run in self.runs])

    @property
    def seconds_per_step(self) -> Spread | None:
        """The median time of a step over seeds."""
        return Spread.of([run.seconds_per_step for run in self.runs])


@dataclass(frozen=True)
class SweepResults:
    """The results of a sweep, finished or not."""

    plan: SweepPlan
    points: tuple[PointResult, ...]

    @property
    def finished(self) -> int:
        """The number of finished runs."""
        return sum(len(point.runs) for point in self.points)

    @property
    def weights(self) -> Weights:
        """The weights shown in the plot: averaged ones, unless they are still close to the initial ones (HV601)."""
        return "raw" if self.plan.average_is_slow else "ema"

    @property
    def gives(self) -> Gives:
        """What the likelihoods of the finished runs compute."""
        return common_gives(self._kinds or {"mass"})

    @property
    def mixes_densities(self) -> bool:
        """Whether some runs have a density and others have none, so that their likelihoods cannot be compared."""
        return "density" in self._kinds and len(self._kinds) > 1

    @property
    def _kinds(self) -> set[Gives]:
        return {run.gives for point in self.points for run in point.runs}

    @property
    def indicative(self) -> bool:
        """Whether some point has fewer than MIN_SEEDS finished runs."""
        return any(len(point.runs) < MIN_SEEDS for point in self.points)

    def best(self, weights: Weights) -> Point | None:
        """The point with the lowest bound, if its mean plus deviation is below all other means minus their deviations.

        None otherwise, if a point is not finished, if there is only one point or one seed, and for densities beside
        masses.
        """
        if self.mixes_densities:
            return None
        spreads = [(result.point, result.test(weights)) for result in self.points]
        known = [(point, spread) for point, spread in spreads if spread is not None and spread.deviation is not None]
        if len(known) < len(spreads) or len(known) < 2 or any(len(p.runs) < len(self.plan.seeds) for p in self.points):
            return None

        known.sort(key=lambda item: item[1].mean)
        (first, lowest), *others = known
        reach = lowest.mean + (lowest.deviation or 0.0)
        return first if all(reach < spread.mean - (spread.deviation or 0.0) for _, spread in others) else None

    def to_dict(self) -> dict[str, Any]:
        """The content of results.json."""
        best = {weights: self.best(weights) for weights in WEIGHT_KINDS}
        return {
            "model": self.plan.model,
            "dataset": self.plan.dataset,
            "unit": self.plan.unit,
            **recorded(self.gives),
            "varied": [axis.name for axis in self.plan.axes],
            "seeds": list(self.plan.seeds),
            "runs_finished": self.finished,
            "runs_planned": len(self.plan.runs()),
            "indicative": self.indicative,
            "best_beyond_spread": {weights: point.name if point else None for weights, point in best.items()},
            "points": [_point_dict(point) for point in self.points],
        }


def collect(plan: SweepPlan, folder: SweepFolder) -> SweepResults:
    """Read the results of the runs in the folder of a sweep. Raises DamagedRun."""
    return SweepResults(plan, tuple(_collect_point(plan, folder, point) for point in plan.points))


def write_results(results: SweepResults, folder: SweepFolder) -> None:
    """Write results.json, and results.csv with one line per run. Raises WriteError."""
    write_whole(folder.result("json"), json_text(results.to_dict(), indent=2) + "\n")

    text = io.StringIO()
    names = [axis.name for axis in results.plan.axes]
    test = [f"test_{weights}_{results.plan.unit}" for weights in WEIGHT_KINDS]
    figures = ["parameters", "stochastic_depth", "wall_seconds", "seconds_per_step", "skipped_updates", "device"]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["point", *names, "seed", *figures, *test])

    for result in results.points:
        for run in result.runs:
            writer.writerow(
                [
                    result.point.name,
                    *(result.point.values[name] for name in names),
                    run.seed,
                    run.parameters,
                    result.point.stochastic_depth,
                    run.wall_seconds,
                    run.seconds_per_step,
                    run.skipped_updates,
                    run.device,
                    *(run.test[weights] for weights in WEIGHT_KINDS),
                ]
            )

    write_whole(folder.result("csv"), text.getvalue())


def _collect_point(plan: SweepPlan, folder: SweepFolder, point: Point) -> PointResult:
    runs, failures = [], {}
    for seed in plan.seeds:
        failure = folder.failure(point, seed)
        run = folder.run(point, seed)
        if failure is not None:
            failures[seed] = failure.message
        elif run.summary.exists():
            runs.append(_run_result(plan, run, seed))
    return PointResult(point, tuple(runs), failures)


def _run_result(plan: SweepPlan, run: RunFolder, seed: int) -> RunResult:
    summary = run.read_summary()
    try:
        return RunResult(
            seed=seed,
            parameters=int(summary["parameters"]),
            wall_seconds=float(summary["wall_seconds"]),
            seconds_per_step=_seconds_per_step(run, summary),
            skipped_updates=int(summary["skipped_updates"]),
            device=str(summary["device"]),
            test={weights: summary["test"][weights][plan.unit] for weights in WEIGHT_KINDS},
            gives=recorded_gives(summary["test"]["raw"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedRun(
            f"{run.summary}: not the summary of a run, or of another version ({error})",
            help="remove it, and the run is evaluated again",
        ) from None


def _seconds_per_step(run: RunFolder, summary: Mapping[str, Any]) -> float:
    """The median over steps, which is robust to a slow first step and a busy machine."""
    lines = [line for line in read_metrics(run.metrics) if line["split"] == "train"] if run.metrics.exists() else []
    durations = [
        (after["wall_seconds"] - before["wall_seconds"]) / (after["step"] - before["step"])
        for before, after in pairwise(lines)
    ]
    return median(durations) if durations else float(summary["wall_seconds"]) / max(1, int(summary["steps"]))


def _point_dict(result: PointResult) -> dict[str, Any]:
    spreads = {
        "wall_seconds": result.wall_seconds,
        "seconds_per_step": result.seconds_per_step,
        **{f"test_{weights}": result.test(weights) for weights in WEIGHT_KINDS},
    }
    return {
        "name": result.point.name,
        "values": dict(result.point.values),
        "parameters": result.point.parameters,
        "stochastic_depth": result.point.stochastic_depth,
        "activation_bytes": result.point.activation_bytes,
        "matched": result.point.matched.model_dump() if result.point.matched else None,
        **{name: spread.to_dict() if spread else None for name, spread in spreads.items()},
        "runs": [
            {
                "seed": run.seed,
                "wall_seconds": run.wall_seconds,
                "seconds_per_step": run.seconds_per_step,
                "skipped_updates": run.skipped_updates,
                "device": run.device,
                **{f"test_{weights}": run.test[weights] for weights in WEIGHT_KINDS},
            }
            for run in result.runs
        ],
        "failed": [{"seed": seed, "message": message} for seed, message in result.failures.items()],
    }
