"""The log of a run as curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hvaedsl.diagnostics.errors import DamagedRun, RunNotFound
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.evaluate.units import Gives, recorded_gives

Numbers = npt.NDArray[np.float64]
WINDOWS_PER_RUN = 50


@dataclass(frozen=True)
class Curve:
    """Values over steps and over the seconds spent in training steps; values that are not finite are NaN."""

    steps: Numbers
    wall_seconds: Numbers
    values: Numbers

    def last(self) -> Curve:
        """The curve of the last value only."""
        return Curve(self.steps[-1:], self.wall_seconds[-1:], self.values[-1:])

    def smoothed(self) -> Curve:
        """The moving average over the latest fiftieth of the curve, without the values that are not finite."""
        window = max(1, len(self.values) // WINDOWS_PER_RUN)
        finite = np.isfinite(self.values)
        sums = _running_sum(np.where(finite, self.values, 0.0), window)
        counts = _running_sum(finite.astype(np.float64), window)
        means = np.divide(sums, counts, out=np.full_like(sums, math.nan), where=counts > 0)
        return Curve(self.steps, self.wall_seconds, means)


@dataclass(frozen=True)
class Evaluation:
    """An evaluation of a split in the log; `kl_nats` has one value per layer, and is None if it was not logged."""

    step: int
    wall_seconds: float
    loss_nats_per_dim: float
    kl_nats: tuple[float, ...] | None


@dataclass(frozen=True)
class History:
    """The log of a run: its training steps, and its evaluations by (split, weights), both in the order of steps."""

    loss_nats_per_dim: Curve
    gradient_norm: Curve
    skipped_steps: tuple[int, ...]
    evaluations: dict[tuple[str, str], tuple[Evaluation, ...]]
    gives: Gives = "mass"  # what the likelihood computes

    @property
    def last_step(self) -> int:
        """The number of logged steps."""
        return int(self.loss_nats_per_dim.steps[-1]) if len(self.loss_nats_per_dim.steps) else 0

    @property
    def wall_seconds(self) -> float:
        """The time spent in the logged steps."""
        return float(self.loss_nats_per_dim.wall_seconds[-1]) if self.last_step else 0.0

    @property
    def has_diverged(self) -> bool:
        """Whether the loss of the last logged step or the last bound of a split is not finite."""
        bounds = (self.bounds(*key) for key in self.evaluations)
        return any(
            len(curve.values) and not np.isfinite(curve.values[-1]) for curve in (self.loss_nats_per_dim, *bounds)
        )

    def bounds(self, split: str, weights: str) -> Curve:
        """The bound on -log p of a split over steps, in nats per dimension."""
        rows = self.evaluations.get((split, weights), ())
        return evaluation_curve(rows, [row.loss_nats_per_dim for row in rows])

    def last(self, split: str, weights: str) -> Evaluation | None:
        """The last evaluation of a split, or None."""
        rows = self.evaluations.get((split, weights), ())
        return rows[-1] if rows else None


def read_history(path: Path) -> History:
    """Read a metrics.jsonl. Raises RunNotFound if it is missing, DamagedRun if it is not the log of a run."""
    if not path.is_file():
        raise RunNotFound(
            f"{path}: log not found",
            help="pass a folder that hvaedsl train wrote; a run that hvaedsl convert imported has no log until it is "
            "trained further, but eval, sample and analyze take it",
        )

    try:
        return _history(read_metrics(path))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DamagedRun(
            f"{path}: not the log of a run ({type(error).__name__}: {error})",
            help="restore the file from a backup, or train again with another --out",
        ) from error


def evaluation_curve(rows: Sequence[Evaluation], values: Sequence[float]) -> Curve:
    """The curve of one value per evaluation."""
    return Curve(
        np.array([row.step for row in rows], dtype=np.float64),
        np.array([row.wall_seconds for row in rows], dtype=np.float64),
        np.array(values, dtype=np.float64),
    )


def _history(lines: list[dict[str, Any]]) -> History:
    train = [line for line in lines if line["split"] == "train"]
    evaluations: dict[tuple[str, str], tuple[Evaluation, ...]] = {}
    for line in lines:
        if line["split"] != "train":
            key = (str(line["split"]), str(line["weights"]))
            evaluations[key] = (*evaluations.get(key, ()), _evaluation(line))

    steps = np.array([int(line["step"]) for line in train], dtype=np.float64)
    seconds = np.array([_number(line["wall_seconds"]) for line in train], dtype=np.float64)

    def values(key: str) -> Curve:
        return Curve(steps, seconds, np.array([_number(line[key]) for line in train], dtype=np.float64))

    return History(
        values("loss_nats_per_dim"),
        values("gradient_norm"),
        tuple(int(line["step"]) for line in train if not line["applied"]),
        evaluations,
        recorded_gives(lines[-1] if lines else {}),
    )


def _evaluation(line: dict[str, Any]) -> Evaluation:
    kl_nats = line.get("kl_nats")
    return Evaluation(
        int(line["step"]),
        _number(line["wall_seconds"]),
        _number(line["loss_nats_per_dim"]),
        None if kl_nats is None else tuple(_number(value) for value in kl_nats),
    )


def _number(value: float | None) -> float:
    """A number of the log, which has null for values that are not finite."""
    return math.nan if value is None else float(value)


def _running_sum(values: Numbers, window: int) -> Numbers:
    total = np.concatenate(([0.0], np.cumsum(values)))
    positions = np.arange(1, len(values) + 1)
    sums: Numbers = total[positions] - total[np.maximum(positions - window, 0)]
    return sums
