"""One training step: forward, backward, clip, skip or update, average the weights."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from hvaedsl.ir.training import RunTraining
from hvaedsl.lowering.module import HierarchicalVAE, Noise, Output
from hvaedsl_runtime.distributed import Processes, as_float64
from hvaedsl_runtime.model import autocast
from hvaedsl_runtime.train.objective import Objective, dimensions_of, layer_resolutions
from hvaedsl_runtime.train.schedule import learning_rate_at
from hvaedsl_runtime.train.state import TrainState


class LossTerms(NamedTuple):
    """Batch means in nats per dimension; scalars. loss = distortion + rate; `objective` is what is minimized."""

    objective: Tensor
    loss: Tensor
    distortion: Tensor
    rate: Tensor


class LossModule(nn.Module):
    """The module that DistributedDataParallel wraps: a model that returns only its loss terms."""

    def __init__(self, model: HierarchicalVAE, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, x: Tensor, target: Tensor, noise: Noise, step: int) -> LossTerms:
        """The loss terms of one batch, x and target [B, H, W, C], at a 0-based step."""
        out: Output = self.model(x, target, noise)
        return LossTerms(
            self.objective(out, step, dimensions_of(target)),
            out.loss_nats_per_dim,
            out.distortion_nats_per_dim.mean(),
            out.rate_nats_per_dim.mean(),
        )


@dataclass(frozen=True)
class StepResult:
    """The result of one step: means over the global batch, and the gradient norm before clipping.

    The density of real values is that of the values in the file. `applied` is false if the update was skipped.
    """

    loss_nats_per_dim: float
    distortion_nats_per_dim: float
    rate_nats_per_dim: float
    gradient_norm: float
    learning_rate: float
    applied: bool


class TrainingStep:
    """One step of training, in place, on a run's state (openai/vdvae, train.py).

    The optimizer is AdamW with weight decay on every trainable parameter; a factor on a parameter's learning rate is
    one on its decay too. The update is skipped if the gradient norm is not
    finite or not strictly below `skip_above`. The norm is taken before clipping, of the gradient averaged over all
    processes, so that every process makes the same decision. A skipped step counts as a step; the averaged weights
    follow applied updates only. `unit_nats_per_dim` is what a density in the unit of the file has in addition; it is
    reported, and has no gradient.
    """

    def __init__(
        self, state: TrainState, training: RunTraining, processes: Processes, *, unit_nats_per_dim: float = 0.0
    ) -> None:
        self.state = state
        self.unit_nats_per_dim = unit_nats_per_dim
        self.training = training
        self.processes = processes
        state.model.recompute_every = training.recompute_every
        objective = Objective(training.kl, training.seed, layer_resolutions(state.model))
        self._loss: nn.Module = LossModule(state.model, objective)

        if processes.world_size > 1:
            # A convolution with one input channel has two valid layouts, and torch warns if they differ.
            warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
            device_ids = [processes.device] if processes.device.type != "cpu" else None
            self._loss = DistributedDataParallel(self._loss, device_ids=device_ids)

    def __call__(self, step: int, x: Tensor, target: Tensor, noise: Noise) -> StepResult:
        """Train on this rank's slice of the batch for `step` (0-based), x and target [B, H, W, C]."""
        self.state.optimizer.zero_grad(set_to_none=True)
        with autocast(self.training.precision, self.processes.device):
            terms: LossTerms = self._loss(x, target, noise, step)
        terms.objective.backward()  # type: ignore[no-untyped-call]  # torch's

        gradients = [parameter.grad for parameter in self.state.trainable if parameter.grad is not None]
        norm = get_total_norm(gradients)
        means = self.processes.mean(torch.stack(terms[1:]).detach())
        # The only wait for the device in a step; between steps, several processes also wait to agree on signals.
        loss, distortion, rate, gradient_norm = torch.cat((as_float64(means), as_float64(norm).reshape(1))).tolist()

        learning_rate = learning_rate_at(step, self.training)
        applied = is_applied(gradient_norm, self.training.skip_above)
        if applied:
            self._update(norm, learning_rate)
        loss, distortion = loss + self.unit_nats_per_dim, distortion + self.unit_nats_per_dim
        return StepResult(loss, distortion, rate, gradient_norm, learning_rate, applied)

    def _update(self, norm: Tensor, learning_rate: float) -> None:
        """Clip, update the weights, and average them in."""
        self.state.is_between_steps = False
        if self.training.clip_norm is not None:
            clip_grads_with_norm_(self.state.trainable, self.training.clip_norm, norm)
        for group, factor in zip(self.state.optimizer.param_groups, self.state.factors, strict=True):
            group["lr"] = learning_rate * factor
        self.state.optimizer.step()
        self.state.ema.update(self.state.model)


def is_applied(gradient_norm: float, skip_above: float | None) -> bool:
    """Whether an update with this gradient norm is applied: the norm is finite and strictly below the threshold."""
    return math.isfinite(gradient_norm) and (skip_above is None or gradient_norm < skip_above)
