"""The logistic density, integrated over the bins of quantized images."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

# Below this mass of a bin, its logarithm is taken from the density at the bin's center.
MINIMUM_BIN_MASS = 1e-5
# Never a result: keeps the gradient of the logarithm finite where the density is used instead.
LOG_FLOOR = 1e-12
# Targets beyond +-EDGE lie in the outermost bins, which are open: the first and the last of up to 256 levels.
EDGE = 0.999
# Of the 5-bit targets (8 * floor(p / 8) - 127.5) / 127.5, as openai/vdvae has it for FFHQ-256. Their highest, 0.945,
# stays below EDGE: the published likelihood gives the top level a closed bin.
FIVE_BIT_HALF_WIDTH = 1 / 31


def half_width_of_levels(levels: int) -> float:
    """Half the width of a bin around the targets 2k / (levels - 1) - 1."""
    return 1 / (levels - 1)


def discretized_logistic_log_prob(x: Tensor, mean: Tensor, log_scale: Tensor, half_width: float) -> Tensor:
    """The log mass, in nats, of the bin around x under a logistic; the shape that the arguments broadcast to.

    The bin is x +- half_width, but open outwards where |x| > 0.999. Where the mass of a closed bin is at most 1e-5 it
    is taken as bin width times density (openai/vdvae, after PixelCNN++). Every branch is finite with finite gradients,
    since torch.where multiplies the gradients of the branches not taken by zero, and 0 * inf would be NaN.
    """
    inverse_scale = torch.exp(-log_scale)
    centered = x - mean
    upper = inverse_scale * (centered + half_width)
    lower = inverse_scale * (centered - half_width)
    middle = inverse_scale * centered

    log_mass_below = upper - F.softplus(upper)
    log_mass_above = -F.softplus(lower)
    mass = torch.sigmoid(upper) - torch.sigmoid(lower)
    log_mass = torch.log(mass.clamp(min=LOG_FLOOR))
    log_density = middle - log_scale - 2 * F.softplus(middle)
    log_approximation = log_density + math.log(2 * half_width)

    closed = torch.where(mass > MINIMUM_BIN_MASS, log_mass, log_approximation)
    return torch.where(x < -EDGE, log_mass_below, torch.where(x > EDGE, log_mass_above, closed))


def exact_logistic_log_prob(x: Tensor, mean: Tensor, log_scale: Tensor, half_width: float) -> Tensor:
    """The log mass, in nats, of the bin x +- half_width under a logistic; the shape that the arguments broadcast to.

    The targets x are 2 * half_width apart, the first at -1 and the last at 1. Only the bins of these two are open
    outwards, and no mass is replaced: those of all targets sum to 1, however many there are.
    With u and l the edges of the bin in units of the scale, sigmoid(u) - sigmoid(l) is
    sigmoid(u) * sigmoid(-l) * (1 - exp(l - u)), and u - l does not depend on x.
    """
    inverse_scale = torch.exp(-log_scale)
    centered = x - mean
    log_below_upper = -F.softplus(-inverse_scale * (centered + half_width))
    log_above_lower = -F.softplus(inverse_scale * (centered - half_width))
    log_closed = log_below_upper + log_above_lower + torch.log(-torch.expm1(-2 * half_width * inverse_scale))
    inside = 1 - half_width
    return torch.where(x < -inside, log_below_upper, torch.where(x > inside, log_above_lower, log_closed))
