"""The base class of cells: a posterior, a prior, a latent drawn from one of them, and a step of the state.

Shape legend: x the state and a the encoder activation, [B, channels, H, W]; z the latent, [B, latent, H, W].
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from hvaedsl.nn.blocks import Bottleneck
from hvaedsl.nn.fourier import NO_FEATURES, CellFeatures
from hvaedsl.nn.gaussian import Gaussian, kl_divergence_nats, sample, split_gaussian


class Cell(nn.Module, ABC):
    """A top-down block. Its subclasses say how x and z make the next state.

    The last convolution of the prior starts at zero: p(z | x) starts with mean 0 and sigma 1, and h as 0.
    """

    gives_h: ClassVar[bool] = False  # whether the prior gives an increment h beside p(z | x)

    def __init__(
        self, channels: int, mid_channels: int, latent: int, kernel: int, features: CellFeatures = NO_FEATURES
    ) -> None:
        super().__init__()
        self.channels = channels
        self.latent = latent
        self.features = features
        self.h_channels = channels if self.gives_h else 0
        outputs, branches = 2 * latent + self.h_channels, features.branches
        self.posterior = Bottleneck(2 * channels, mid_channels, 2 * latent, kernel, residual=False, features=branches)
        self.prior = Bottleneck(channels, mid_channels, outputs, kernel, residual=False, features=branches)
        self.prior.zero_last_()

    @abstractmethod
    def step(self, state: Tensor, h: Tensor, z: Tensor) -> Tensor:
        """The next state, [B, channels, H, W], from the state, the prior's increment, and z."""

    def scale_for_depth_(self, applications: int) -> None:
        """Scale what z and the residual step add to the state by sqrt(1 / applications in the decoder).

        Once per set of weights. Raises ValueError for less than one application.
        """
        if applications < 1:
            raise ValueError(f"applications must be at least 1, not {applications}")
        with torch.no_grad():
            self._scale_(math.sqrt(1 / applications))

    @abstractmethod
    def _scale_(self, factor: float) -> None:
        """Multiply the weights whose outputs add up along the decoder."""

    def posterior_parameters(self, state: Tensor, activation: Tensor) -> Gaussian:
        """q(z | x, a) from the state and the encoder activation, both [B, channels, H, W]."""
        return split_gaussian(self.posterior(torch.cat((state, activation), dim=1)))

    def prior_parameters(self, state: Tensor) -> tuple[Gaussian, Tensor]:
        """p(z | x) and the increment h from the state, [B, channels, H, W].

        h is [B, channels, H, W], or [B, 0, H, W] of a cell whose prior gives none.
        """
        gaussian, h = self.prior(state).split((2 * self.latent, self.h_channels), dim=1)
        return split_gaussian(gaussian), h

    def draw(self, state: Tensor, gaussian: Gaussian, noise: Tensor) -> Tensor:  # noqa: ARG002 - for cells whose z holds the state
        """A latent of a posterior or a prior; `noise` is standard normal, [B, latent, H, W]."""
        return sample(*gaussian, noise)

    def forward(self, state: Tensor, activation: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One application with z from the posterior: the next state, z, and KL(q || p) in nats per image, [B].

        `noise` is standard normal, [B, latent, H, W].
        """
        q = self.posterior_parameters(state, activation)
        p, h = self.prior_parameters(state)
        z = self.draw(state, q, noise)
        kl_nats = kl_divergence_nats(*q, *p).sum(dim=(1, 2, 3))
        return self.step(state, h, z), z, kl_nats

    def generate(self, state: Tensor, noise: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """One application with z from the prior, its sigma multiplied by `temperature`: the next state and z.

        `noise` is standard normal, [B, latent, H, W]. Towards temperature 0, z is the mean; others raise ValueError.
        """
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, not {temperature}")
        p, h = self.prior_parameters(state)
        z = self.draw(state, Gaussian(p.mean, p.log_sigma + math.log(temperature)), noise)
        return self.step(state, h, z), z

    def generate_from(self, state: Tensor, z: Tensor) -> Tensor:
        """One application with a given z, [B, latent, H, W]: the next state."""
        _, h = self.prior_parameters(state)
        return self.step(state, h, z)
