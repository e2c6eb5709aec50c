"""The discretized mixture of logistics for images of more than 256 levels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hvaedsl.nn.likelihoods.logistic import exact_logistic_log_prob, half_width_of_levels
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
        """The log mass of the level of x [B, H, W, C, 1] under every logistic, in nats; [B, H, W, C, K]."""
        return exact_logistic_log_prob(x, means, log_scales, self.half_width)
