"""One training step: forward, backward, clip, skip or update, average the weights."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from hvaedsl.diagnostics.errors import OutOfMemory
from hvaedsl.ir.policies import AdaptiveThreshold
from hvaedsl.ir.training import RunTraining
from hvaedsl.lowering.module import Output
from hvaedsl_runtime.distributed import Processes, as_float64, is_out_of_memory, release_memory
from hvaedsl_runtime.model import autocast
from hvaedsl_runtime.train.batches import MicroBatch, StepImages
from hvaedsl_runtime.train.compiling import compile_blocks, not_compiled
from hvaedsl_runtime.train.flat import check_flat, clip_to_norm_, is_applied, norm_of
from hvaedsl_runtime.train.gradients import Gradients
from hvaedsl_runtime.train.objective import Objective, dimensions_of, layer_resolutions
from hvaedsl_runtime.train.schedule import learning_rate_at
from hvaedsl_runtime.train.split import lower_micro_batch, out_of_memory
from hvaedsl_runtime.train.state import TrainState

logger = logging.getLogger(__name__)


class LossTerms(NamedTuple):
    """Means over a micro-batch in nats per dimension; scalars.

    loss = distortion + rate; `objective` is what is minimized.
    """

    objective: Tensor
    loss: Tensor
    distortion: Tensor
    rate: Tensor


@dataclass(frozen=True)
class StepResult:
    """The result of one step: means over the whole batch, and the gradient norm before clipping.

    The density of real values is that of the values in the file. `applied` is false if the update was skipped, because
    the norm is not finite, or not below `threshold`; `ranks` are then the processes whose images have a gradient that
    is not finite or, if it is finite in all, the one with the largest norm.
    """

    loss_nats_per_dim: float
    distortion_nats_per_dim: float
    rate_nats_per_dim: float
    gradient_norm: float
    learning_rate: float
    applied: bool
    threshold: float | None = None
    ranks: tuple[int, ...] = ()


class TrainingStep:
    """One step of training, in place, on a run's state (openai/vdvae, train.py).

    The optimizer is AdamW. The update is skipped if the gradient norm is not finite or not strictly below `skip_above`.
    The norm is taken before clipping, of the gradient averaged over the whole batch, so that every process makes the
    same decision. A skipped step counts as a step; the averaged weights follow applied updates only.

    The batch is computed in forward passes of `state.position.micro_batch` images. If a device runs out of memory, all
    processes lower that number and compute the step again, unless `may_split` is false: the step's random numbers do
    not depend on the split.
    `unit_nats_per_dim` is what a density in the unit of the file has in addition; it is reported, and has no gradient.
    """

    def __init__(
        self,
        state: TrainState,
        training: RunTraining,
        processes: Processes,
        *,
        unit_nats_per_dim: float = 0.0,
        may_split: bool = True,
    ) -> None:
        self.state = state
        self.unit_nats_per_dim = unit_nats_per_dim
        self.training = training
        self.processes = processes
        self.may_split = may_split
        self._failure: OutOfMemory | None = None  # of this process, if it cannot compute fewer images at once
        state.model.recompute_every = training.recompute_every
        if training.compile == "blocks":
            logger.info("blocks are compiled for %d signatures", compile_blocks(state.model))
        self._objective = Objective(training.kl, training.seed, layer_resolutions(state.model))
        self._gradients = Gradients(state.model, state.layout, processes)
        # Every process has drawn the same initial weights, but other hardware may round them in another way.
        processes.broadcast(state.model.state_dict().values())

    def __call__(self, step: int, images: StepImages) -> StepResult:
        """Train on the images of `step` (0-based). Raises OutOfMemory if not even the smallest forward pass fits."""
        check_flat(self.state.model, self.state.layout, self.state.weights)
        means = self._compute(step, images)
        while means is None:
            self._lower_micro_batch()
            means = self._compute(step, images)

        learning_rate = learning_rate_at(step, self.training) * self.state.recovery.rate
        threshold = self._threshold()
        norm = norm_of(self._gradients.values)
        is_due = is_applied(as_float64(norm), threshold)
        self._update(norm, is_due, learning_rate)

        # The only wait for the device in a step; between steps, several processes also wait to agree on signals.
        figures = torch.cat((as_float64(means), as_float64(torch.stack((norm, is_due.to(norm))))))
        loss, distortion, rate, gradient_norm, applied = figures.tolist()
        self.state.ema.updates += int(applied)
        if self.state.norms is not None and isinstance(self.training.skip_above, AdaptiveThreshold):
            self.state.norms.record(gradient_norm, self.training.skip_above)
        ranks = () if applied else self._ranks_of_largest_norm()
        loss, distortion = loss + self.unit_nats_per_dim, distortion + self.unit_nats_per_dim
        return StepResult(loss, distortion, rate, gradient_norm, learning_rate, applied == 1, threshold, ranks)

    def _threshold(self) -> float | None:
        """The norm from which an update is skipped: that of the spec, or of recent norms."""
        policy = self.training.skip_above
        if isinstance(policy, AdaptiveThreshold):
            return None if self.state.norms is None else self.state.norms.threshold(policy)
        return policy

    def _ranks_of_largest_norm(self) -> tuple[int, ...]:
        """The processes whose own gradient norm is not finite, or else the one with the largest."""
        if self.processes.world_size == 1:
            return (0,)
        norms = self._gradients.own_norms.tolist()
        not_finite = tuple(rank for rank, norm in enumerate(norms) if not math.isfinite(norm))
        return not_finite or (norms.index(max(norms)),)

    def _compute(self, step: int, images: StepImages) -> Tensor | None:
        """Fill the gradients with those of the whole batch, and return the means of loss, distortion and rate, [3].

        None, in every process, if one has run out of memory.
        """
        self._gradients.clear()
        means: Tensor | None = None
        try:
            means = self._own_gradients(step, images)
        except RuntimeError as error:
            if (failure := not_compiled(error)) is not None:
                raise failure from error
            if not is_out_of_memory(error):
                raise
            if self._lower is None:
                self._failure = out_of_memory(error)
            logger.info("step %d: %s", step, error)

        # Outside the block above, whose error keeps the tensors of the forward pass.
        if means is None:
            self._gradients.clear()
            release_memory(self.processes.device)
        means = self._gradients.sum(means)
        if means is not None:
            self.state.optimizer.leave_out(self._gradients.unreached)
        return means

    def _own_gradients(self, step: int, images: StepImages) -> Tensor:
        """Add up the gradients of this process's images, and return their part of the mean loss terms, [3]."""
        means: Tensor | None = None
        for batch in images(self.state.position.micro_batch):
            self.processes.beat("training")
            weight = len(batch.x) / self.training.batch_size
            with autocast(self.training.precision, self.processes.device):
                terms = self._terms(batch, step)
            (terms.objective * weight).backward()  # type: ignore[no-untyped-call]  # torch's
            part = torch.stack(terms[1:]).detach() * weight
            means = part if means is None else means + part
        assert means is not None, "a step has images"
        return means

    def _terms(self, batch: MicroBatch, step: int) -> LossTerms:
        out: Output = self.state.model(batch.x, batch.target, batch.noise)
        return LossTerms(
            self._objective(out, step, dimensions_of(batch.target)),
            out.loss_nats_per_dim,
            out.distortion_nats_per_dim.mean(),
            out.rate_nats_per_dim.mean(),
        )

    def _lower_micro_batch(self) -> None:
        """Compute fewer images at once from now on. Raises OutOfMemory, in every process, if there are no fewer."""
        self.processes.raise_any(self._failure)
        lower = self._lower
        assert lower is not None, "a process that has no lower number has raised its failure"
        self.state.position.micro_batch = lower

    @property
    def _lower(self) -> int | None:
        """The next smaller number of images of a forward pass."""
        share = self.training.batch_size // self.processes.world_size
        return lower_micro_batch(self.state.position.micro_batch, share) if self.may_split else None

    def _update(self, norm: Tensor, is_due: Tensor, learning_rate: float) -> None:
        """Clip, update the weights, and average them in, or change nothing, as `is_due` says on the device."""
        self.state.is_between_steps = False
        if self.training.clip_norm is not None:
            clip_to_norm_(self._gradients.values, norm, self.training.clip_norm)
        self.state.optimizer.step(self._gradients.values, learning_rate, is_due)
        self.state.ema.update(self.state.weights, is_due)
