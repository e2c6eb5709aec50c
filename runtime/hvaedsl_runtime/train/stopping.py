"""Stopping early: the lowest validation bound until now, how long ago it was, and the weights that have it."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import nn

from hvaedsl.ir.training import RunTraining
from hvaedsl_runtime.disk.checkpoint import Checkpoint
from hvaedsl_runtime.disk.saved_checkpoints import Best
from hvaedsl_runtime.disk.state_parts import PlainPart
from hvaedsl_runtime.evaluate.evaluator import LikelihoodBound


@dataclass
class Stopping(PlainPart):
    """The lowest validation bound of a run, of raw or averaged weights; the evaluations since then had none lower.

    `evaluated_step` is the step of the last evaluation that is counted. A checkpoint is written before the evaluation
    at its step, so a resumed run repeats that evaluation.
    """

    best_nats_per_dim: float = math.inf
    best_step: int = 0  # 0 if no evaluation had a finite bound
    without_lower: int = 0
    evaluated_step: int = 0

    def record(self, step: int, bounds: Mapping[str, LikelihoodBound]) -> bool:
        """Count an evaluation, and return whether its bound is the lowest. One that is not finite is not lower."""
        _, lowest = lowest_bound(bounds)
        is_best = lowest < self.best_nats_per_dim
        if is_best:
            self.best_nats_per_dim, self.best_step = lowest, step
        self.without_lower = 0 if is_best else self.without_lower + 1
        self.evaluated_step = step
        return is_best


def lowest_bound(bounds: Mapping[str, LikelihoodBound]) -> tuple[str, float]:
    """The weights with the lowest finite bound, and the bound; infinity if none is finite."""
    found = {weights: bound.loss_nats_per_dim for weights, bound in bounds.items()}
    finite = {weights: loss for weights, loss in found.items() if math.isfinite(loss)}
    return min(finite.items(), key=lambda item: item[1], default=("", math.inf))


def lowest_logged(lines: Iterable[Mapping[str, Any]], steps: Container[int]) -> Best | None:
    """The evaluation with the lowest validation bound in a log, of those after `steps`; None if there is none."""
    found = [
        Best(line["step"], line["weights"], line["loss_nats_per_dim"])
        for line in lines
        if line["split"] == "validation" and line["loss_nats_per_dim"] is not None and line["step"] in steps
    ]
    return min(found, key=lambda best: best.loss_nats_per_dim, default=None)


def has_stopped(stopping: Stopping | None, training: RunTraining) -> bool:
    """Whether a run has had as many evaluations without a lower bound as `train.stop_after` says."""
    return stopping is not None and training.stop_after is not None and stopping.without_lower >= training.stop_after


@contextmanager
def with_weights(models: Mapping[str, nn.Module], checkpoint: Checkpoint) -> Iterator[None]:
    """Give the models, raw and averaged, the weights of a checkpoint, and afterwards their own again."""
    own = {kind: {name: item.clone() for name, item in model.state_dict().items()} for kind, model in models.items()}
    other = {"raw": checkpoint.model, "ema": checkpoint.ema}
    try:
        for kind, model in models.items():
            model.load_state_dict(other[kind])
        yield
    finally:
        for kind, model in models.items():
            model.load_state_dict(own[kind])
