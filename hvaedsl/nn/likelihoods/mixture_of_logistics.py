"""The likelihood of images with quantized intensities: a discretized mixture of logistics."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hvaedsl.nn.likelihoods.base import Likelihood
from hvaedsl.nn.likelihoods.logistic import FIVE_BIT_HALF_WIDTH, discretized_logistic_log_prob, half_width_of_levels

MINIMUM_LOG_SCALE = -7.0
# Uniform draws stay this far from 0 and 1, where the logarithms diverge (openai/vdvae).
UNIFORM_MARGIN = 1e-5
MAXIMUM_LEVELS = 256


class Mixture(NamedTuple):
    """K logistics per pixel and channel. `coefficients` chain color means: green on red, blue on red, blue on green."""

    logits: Tensor  # [B, H, W, K]
    means: Tensor  # [B, H, W, C, K], before the chain
    log_scales: Tensor  # [B, H, W, C, K]
    coefficients: Tensor | None  # [B, H, W, 3, K] in (-1, 1); None for independent channels


class MixtureOfLogistics(Likelihood):
    """Discretized mixture of K logistics: PixelCNN++'s likelihood in the form of openai/vdvae.

    The head has 10 K outputs for three channels, laid out as in the published code: K logits, then for each channel K
    means, K log-scales and K coefficients before the tanh. For other numbers of channels, and for three `independent`
    ones, it has K + 2 K C: no coefficients, so the channels are independent given the component that they share.
    Log-scales are clamped at -7 from below. Targets are 2k / (levels - 1) - 1 for level k; with `bits=5` they are
    (8 * floor(p / 8) - 127.5) / 127.5 for 8-bit p, as published for FFHQ-256; the sum of their masses is not exactly 1.

    Raises ValueError for channels or mixtures below 1, levels outside 2 to 256, and bits other than 5 at 256 levels.
    """

    gives = "mass"

    def __init__(
        self,
        width: int,
        *,
        channels: int,
        mixtures: int,
        levels: int = MAXIMUM_LEVELS,
        bits: int | None = None,
        independent: bool = False,
    ) -> None:
        if channels < 1 or mixtures < 1:
            raise ValueError(f"channels and mixtures must be at least 1, not {channels} and {mixtures}")
        coupled = channels == 3 and not independent
        outputs = mixtures * (10 if coupled else 1 + 2 * channels)
        super().__init__(width, outputs=outputs, channels=channels)
        self.coupled = coupled
        self.mixtures = mixtures
        self.levels = levels
        self.half_width = choose_half_width(levels, bits)
        self.minimum_log_scale = MINIMUM_LOG_SCALE
        self.sample_type = torch.uint8

    def mixture(self, state: Tensor) -> Mixture:
        """The mixture that the head gives for a state [B, width, H, W]."""
        outputs = self.outputs(state)
        logits = outputs[..., : self.mixtures]
        per_channel = outputs[..., self.mixtures :].reshape(*outputs.shape[:3], self.channels, -1, self.mixtures)
        means, log_scales = per_channel[..., 0, :], per_channel[..., 1, :].clamp(min=self.minimum_log_scale)
        coefficients = torch.tanh(per_channel[..., 2, :]) if self.coupled else None
        return Mixture(logits, means, log_scales, coefficients)

    def nll_nats_per_dim(self, state: Tensor, target: Tensor) -> Tensor:
        """The distortion of a target [B, H, W, C] in [-1, 1]: -log p in nats, the mean over H * W * C; [B].

        Raises ValueError for a target of another shape.
        """
        mixture = self.mixture(state)
        self.check_target(target, mixture.logits)
        x = target.to(mixture.means.dtype).unsqueeze(-1)
        log_probs = self.log_prob(x, chained_means(mixture, x), mixture.log_scales)
        weighted = log_probs.sum(dim=3) + torch.log_softmax(mixture.logits, dim=-1)
        return -torch.logsumexp(weighted, dim=-1).sum(dim=(1, 2)) / target[0].numel()

    def log_prob(self, x: Tensor, means: Tensor, log_scales: Tensor) -> Tensor:
        """The log mass of the level of x [B, H, W, C, 1] under every logistic, in nats; [B, H, W, C, K]."""
        return discretized_logistic_log_prob(x, means, log_scales, self.half_width)

    def sample(self, state: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Level indices 0 to levels - 1 drawn from the likelihood, uint8 [B, H, W, C], or int32 above 256 levels.

        The component is drawn by Gumbel-max, then each channel from its logistic, clamped to [-1, 1] before the next
        channel reads it. The value is rounded to the nearest level (openai/vdvae truncates). As published, samples lie
        on all 256 levels with `bits=5` too. The generator must be on the state's device.
        """
        mixture = self.mixture(state)
        gumbel = -torch.log(-torch.log(open_uniform(mixture.logits, generator)))
        chosen = select_component(mixture, (mixture.logits + gumbel).argmax(dim=-1))
        means, log_scales = chosen.means.squeeze(-1), chosen.log_scales.squeeze(-1)
        uniform = open_uniform(means, generator)
        values = means + torch.exp(log_scales) * (torch.log(uniform) - torch.log(1 - uniform))
        image = chain_values(values, chosen.coefficients)
        return torch.round((image + 1) * ((self.levels - 1) / 2)).to(self.sample_type)

    def mean(self, state: Tensor) -> Tensor:
        """The mean of the most probable component, chained and clamped like a sample, in [-1, 1]; [B, H, W, C].

        A mode rather than the expectation: averaging over components blurs what the mixture keeps apart.
        """
        mixture = self.mixture(state)
        chosen = select_component(mixture, mixture.logits.argmax(dim=-1))
        return chain_values(chosen.means.squeeze(-1), chosen.coefficients)


def choose_half_width(levels: int, bits: int | None) -> float:
    """Half the width of a bin for a number of levels, or for 5-bit targets; raises ValueError for other values."""
    if not 2 <= levels <= MAXIMUM_LEVELS:
        raise ValueError(f"levels must be from 2 to {MAXIMUM_LEVELS}, not {levels}")
    if bits is None:
        return half_width_of_levels(levels)
    if bits != 5:
        raise ValueError(f"bits must be 5 or None, not {bits}; for other quantizations give levels")
    if levels != MAXIMUM_LEVELS:
        raise ValueError(f"bits=5 quantizes images of {MAXIMUM_LEVELS} levels, not {levels}; give one of the two")
    return FIVE_BIT_HALF_WIDTH


def chained_means(mixture: Mixture, x: Tensor) -> Tensor:
    """The means [B, H, W, C, K] given the image x, [B, H, W, C, 1]: each color's shifted by the colors before it."""
    if mixture.coefficients is None:
        return mixture.means
    red, green, blue = mixture.means.unbind(dim=3)
    green_on_red, blue_on_red, blue_on_green = mixture.coefficients.unbind(dim=3)
    x_red, x_green = x[..., 0, :], x[..., 1, :]
    green = green + green_on_red * x_red
    blue = blue + blue_on_red * x_red + blue_on_green * x_green
    return torch.stack((red, green, blue), dim=3)


def select_component(mixture: Mixture, component: Tensor) -> Mixture:
    """The mixture cut down to one component per pixel (K = 1), by its index [B, H, W]."""
    index = component[..., None, None].expand(*mixture.means.shape[:-1], 1)
    coefficients = None if mixture.coefficients is None else mixture.coefficients.gather(-1, index)
    return Mixture(
        mixture.logits.gather(-1, component.unsqueeze(-1)),
        mixture.means.gather(-1, index),
        mixture.log_scales.gather(-1, index),
        coefficients,
    )


def chain_values(values: Tensor, coefficients: Tensor | None) -> Tensor:
    """Values [B, H, W, C] before the chain -> the image [B, H, W, C]: colors in turn, each clamped to [-1, 1]."""
    if coefficients is None:
        return values.clamp(-1, 1)
    green_on_red, blue_on_red, blue_on_green = coefficients.squeeze(-1).unbind(dim=3)
    red = values[..., 0].clamp(-1, 1)
    green = (values[..., 1] + green_on_red * red).clamp(-1, 1)
    blue = (values[..., 2] + blue_on_red * red + blue_on_green * green).clamp(-1, 1)
    return torch.stack((red, green, blue), dim=3)


def open_uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Uniform draws in (1e-5, 1 - 1e-5), of the shape, type and device of `like`."""
    # Not empty_like: it would take over the strides, and a seed's draws would depend on the memory layout.
    draws = torch.empty(like.shape, dtype=like.dtype, device=like.device)
    return draws.uniform_(UNIFORM_MARGIN, 1 - UNIFORM_MARGIN, generator=generator)
