"""Diagonal Gaussians by mean and log standard deviation: split from channels, KL divergence, sampling."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hvaedsl.nn.precision import at_least_float32


class Gaussian(NamedTuple):
    """A diagonal Gaussian; both fields [B, latent, H, W]."""

    mean: Tensor
    log_sigma: Tensor


def split_gaussian(channels: Tensor) -> Gaussian:
    """[B, 2 * latent, H, W] -> means (first half) and log sigmas (second half), in float32 or wider."""
    mean, log_sigma = at_least_float32(channels).chunk(2, dim=1)
    return Gaussian(mean, log_sigma)


def kl_divergence_nats(q_mean: Tensor, q_log_sigma: Tensor, p_mean: Tensor, p_log_sigma: Tensor) -> Tensor:
    """KL(q || p) of diagonal Gaussians, elementwise, in nats; the shape that the arguments broadcast to.

    The closed form of openai/vdvae, written with expm1 and without squares of sigma: no cancellation where q is close
    to p (a collapsed layer), no 0 / 0 where both sigmas underflow.
    """
    log_ratio = q_log_sigma - p_log_sigma
    standardized = (q_mean - p_mean) * torch.exp(-p_log_sigma)
    return 0.5 * (torch.expm1(2 * log_ratio) - 2 * log_ratio + standardized**2)


def sample(mean: Tensor, log_sigma: Tensor, noise: Tensor) -> Tensor:
    """Draw z = mean + sigma * noise, with `noise` standard normal of the same shape."""
    return torch.exp(log_sigma) * noise + mean
