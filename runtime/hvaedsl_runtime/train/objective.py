"""The training objective: the bound, or the bound with the rate modified by the spec's `train.kl`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hvaedsl.ir.training import KLSpec
from hvaedsl.lowering.module import HierarchicalVAE, Output
from hvaedsl.nn.steps import NO_LAYER
from hvaedsl_runtime.noise import seeded_generator


@dataclass(frozen=True)
class Objective:
    """Distortion plus the modified rate: free nats per layer, its weight, sampled layers, then the warm-up.

    The rate is warm-up(step) * L / M * the sum over M of L layers of weight_l * max(KL_l, free_nats). With the defaults
    the objective is the bound itself, bit for bit. Evaluations never use it. `resolutions` are those of the layers.
    """

    kl: KLSpec
    seed: int
    resolutions: Sequence[int] = ()

    def __call__(self, out: Output, step: int, dimensions: int) -> Tensor:
        """The objective in nats per dimension, a scalar, at a 0-based step, for images of `dimensions` values."""
        if self.kl == KLSpec():
            return out.loss_nats_per_dim

        kl_nats = out.kl_nats
        if self.kl.free_nats:
            kl_nats = kl_nats.clamp(min=self.kl.free_nats)
        if self.kl.weight != 1:
            kl_nats = kl_nats * self.weights(kl_nats)
        rate_nats = sampled_rate(kl_nats, self.layers(step, len(kl_nats)))
        return (out.distortion_nats_per_dim + rate_weight(step, self.kl.warmup_steps) * rate_nats / dimensions).mean()

    def weights(self, kl_nats: Tensor) -> Tensor:
        """The weight of each layer, [depth, 1], with the dtype and on the device of its KL."""
        if not isinstance(self.kl.weight, Mapping):
            return kl_nats.new_full((len(kl_nats), 1), self.kl.weight)
        return kl_nats.new_tensor([[self.kl.weight_at(resolution)] for resolution in self.resolutions])

    def layers(self, step: int, depth: int) -> Tensor:
        """Indices of the layers whose KL this step sums: a function of (seed, step), thus equal in all processes."""
        if self.kl.sampled_layers is None:
            return torch.arange(depth)
        generator = seeded_generator(torch.device("cpu"), self.seed, "layers", step)
        return torch.randperm(depth, generator=generator)[: self.kl.sampled_layers]


def sampled_rate(kl_nats: Tensor, layers: Tensor) -> Tensor:
    """(L / M) times the KL of M of L layers: [depth, B] -> [B], in nats (Falck, Williams et al. 2022, B.4).

    Sampled without replacement, its mean over all choices is the rate, and its variance is
    L^2 / M * (L - M) / (L - 1) times the variance of the KL over the layers. It saves little time, because every layer
    is computed for the state anyway.
    """
    return kl_nats[layers.to(kl_nats.device)].sum(dim=0) * (len(kl_nats) / len(layers))


def rate_weight(step: int, warmup_steps: int) -> float:
    """The weight of the rate: linear from 0 at step 0 to 1 at step `warmup_steps`, then 1."""
    return 1.0 if step >= warmup_steps else step / warmup_steps


def layer_resolutions(model: HierarchicalVAE) -> list[int]:
    """The resolution of each stochastic layer of a model, in order."""
    return [step.resolution for step in model.decoder.steps if step.layer != NO_LAYER]


def dimensions_of(target: Tensor) -> int:
    """H * W * C of targets [B, H, W, C]."""
    return math.prod(target.shape[1:])
