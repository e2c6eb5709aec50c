"""The likelihood of real-valued images: a normal density for each pixel and channel."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from hvaedsl.nn.likelihoods.base import Likelihood

# Keeps the density of a pixel bounded: at most 8.1 nats, reached with the value at the location.
MINIMUM_REAL_LOG_SCALE = -9.0
LOG_ROOT_TWO_PI = 0.5 * math.log(2 * math.pi)


class PixelGaussians(NamedTuple):
    """A normal per pixel and channel. `coefficients` chain colors: green on red, blue on red, blue on green."""

    locations: Tensor  # [B, H, W, C], before the chain
    log_scales: Tensor  # [B, H, W, C]
    coefficients: Tensor | None  # [B, H, W, 3] in (-1, 1); None for independent channels


class GaussianDensity(Likelihood):
    """A normal density per pixel and channel, for real values.

    The head has 9 outputs for three channels: for each channel a location, a log-scale and a coefficient before the
    tanh, so that green depends on red and blue on both, as in the mixture of logistics. For another number of channels,
    and for three if they are `independent`, it has 2 C outputs: for each channel a location and a log-scale. Log-scales
    are clamped at -9 from below; nothing else is. Targets are the values themselves, standardized. With a standard
    deviation s per channel, -log p of the values is that of the targets plus the mean over channels of ln s, in nats
    per dimension.

    Raises ValueError for less than one channel.
    """

    gives = "density"

    def __init__(self, width: int, *, channels: int, independent: bool = False) -> None:
        if channels < 1:
            raise ValueError(f"channels must be at least 1, not {channels}")
        coupled = channels == 3 and not independent
        super().__init__(width, outputs=9 if coupled else 2 * channels, channels=channels)
        self.coupled = coupled

    def gaussians(self, state: Tensor) -> PixelGaussians:
        """The normals that the head gives for a state [B, width, H, W]."""
        outputs = self.outputs(state)
        per_channel = outputs.reshape(*outputs.shape[:3], self.channels, -1)
        log_scales = per_channel[..., 1].clamp(min=MINIMUM_REAL_LOG_SCALE)
        coefficients = torch.tanh(per_channel[..., 2]) if self.coupled else None
        return PixelGaussians(per_channel[..., 0], log_scales, coefficients)

    def nll_nats_per_dim(self, state: Tensor, target: Tensor) -> Tensor:
        """The distortion of a target [B, H, W, C]: -log p in nats, the mean over H * W * C; [B]. It can be negative.

        Raises ValueError for a target of another shape.
        """
        found = self.gaussians(state)
        self.check_target(target, found.locations)
        x = target.to(found.locations.dtype)
        standardized = (x - chained(found.locations, found.coefficients, x)) * torch.exp(-found.log_scales)
        return (0.5 * standardized**2 + found.log_scales + LOG_ROOT_TWO_PI).mean(dim=(1, 2, 3))

    def sample(self, state: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Values on the scale of the targets drawn from the likelihood, float32 or wider, [B, H, W, C].

        Each channel is drawn before the next one reads it. The generator must be on the state's device.
        """
        found = self.gaussians(state)
        like = found.locations
        # Not randn_like: it would take over the strides, and a seed's draws would depend on the memory layout.
        noise = torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=generator)
        return chained(like + torch.exp(found.log_scales) * noise, found.coefficients)

    def mean(self, state: Tensor) -> Tensor:
        """The expectation, on the scale of the targets, [B, H, W, C]."""
        found = self.gaussians(state)
        return chained(found.locations, found.coefficients)


def chained(values: Tensor, coefficients: Tensor | None, image: Tensor | None = None) -> Tensor:
    """Values [B, H, W, C] before the chain -> those with each color's shifted by the colors before it.

    The colors that are read are those of `image`, [B, H, W, C], or without one the shifted values.
    """
    if coefficients is None:
        return values
    red, green, blue = values.unbind(dim=-1)
    green_on_red, blue_on_red, blue_on_green = coefficients.unbind(dim=-1)
    read_red = red if image is None else image[..., 0]
    green = green + green_on_red * read_red
    read_green = green if image is None else image[..., 1]
    blue = blue + blue_on_red * read_red + blue_on_green * read_green
    return torch.stack((red, green, blue), dim=-1)
