"""The discretized mixture of logistics for images of more than 256 levels."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from hvaedsl.nn.likelihoods.logistic import half_width_of_levels
from hvaedsl.nn.likelihoods.mixture_of_logistics import MAXIMUM_LEVELS, MINIMUM_LOG_SCALE, MixtureOfLogistics


class HighBitDepthMixtureOfLogistics(MixtureOfLogistics):
    """The mixture of logistics for 257 to 65,536 levels, whose masses sum to 1.

    The published form suits 256 levels: its outermost bins begin at +-0.999, where 65,536 levels have 33 each; below a
    mass of 1e-5 it takes the density at the center; and with log-scales of at least -7, a pixel at the mean of a
    logistic still costs 6.9 bits. Here only the first and the last level are open, the mass is never replaced, and
    log-scales are clamped at -7 - log((levels - 1) / 255). Samples are int32: torch computes little with uint16.

    Raises ValueError for less than one channel or component, and for levels outside 257 to 65,536.
    """

    def __init__(self, width: int, *, channels: int, mixtures: int, levels: int, independent: bool = False) -> None:
        if not MAXIMUM_LEVELS < levels <= 2**16:
            raise ValueError(f"levels must be from {MAXIMUM_LEVELS + 1} to {2**16}, not {levels}")
        super().__init__(width, channels=channels, mixtures=mixtures, independent=independent)
        self.levels = levels
        self.half_width = half_width_of_levels(levels)
        self.minimum_log_scale = MINIMUM_LOG_SCALE - math.log((levels - 1) / (MAXIMUM_LEVELS - 1))
        self.sample_type = torch.int32

    def log_prob(self, x: Tensor, means: Tensor, log_scales: Tensor) -> Tensor:
        """The log mass of the level of x [B, H, W, C, 1] under every logistic, in nats; [B, H, W, C, K].

        With u and l the edges of the bin in units of the scale, sigmoid(u) - sigmoid(l) is
        sigmoid(u) * sigmoid(-l) * (1 - exp(l - u)), and u - l does not depend on x.
        """
        inverse_scale = torch.exp(-log_scales)
        centered = x - means
        log_below_upper = -F.softplus(-inverse_scale * (centered + self.half_width))
        log_above_lower = -F.softplus(inverse_scale * (centered - self.half_width))
        log_closed = log_below_upper + log_above_lower + torch.log(-torch.expm1(-2 * self.half_width * inverse_scale))
        outside = 1 - self.half_width  # levels are 2 * half_width apart, the first at -1 and the last at 1
        return torch.where(x < -outside, log_below_upper, torch.where(x > outside, log_above_lower, log_closed))
