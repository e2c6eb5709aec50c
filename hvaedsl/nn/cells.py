"""The cell of the top-down pass: posterior, prior, and the step of the residual state."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hvaedsl.nn.blocks import Bottleneck, conv
from hvaedsl.nn.gaussian import Gaussian, kl_divergence_nats, sample, split_gaussian


class VDVAECell(nn.Module):
    """The top-down block of VDVAE (openai/vdvae; Falck, Williams et al. 2022, Appendix G).

    With state x and encoder activation a, both [B, channels, H, W], and latent z, [B, latent, H, W]::

        q(z | x, a) = posterior([x, a]);   p(z | x), h = prior(x);   x' = resnet(x + h + z_proj(z))

    The last convolution of the prior starts at zero: p(z | x) starts as N(0, 1) and h as 0.
    """

    def __init__(self, channels: int, mid_channels: int, latent: int, kernel: int) -> None:
        super().__init__()
        self.channels = channels
        self.latent = latent
        self.posterior = Bottleneck(2 * channels, mid_channels, 2 * latent, kernel, residual=False)
        self.prior = Bottleneck(channels, mid_channels, 2 * latent + channels, kernel, residual=False)
        self.prior.zero_last_()
        self.z_proj = conv(latent, channels, 1)
        self.resnet = Bottleneck(channels, mid_channels, channels, kernel, residual=True)

    @torch.no_grad()
    def scale_for_depth_(self, applications: int) -> None:
        """Scale the z projection and the resnet's last convolution by sqrt(1 / applications in the decoder).

        Once per set of weights. Raises ValueError for less than one application.
        """
        if applications < 1:
            raise ValueError(f"applications must be at least 1, not {applications}")
        factor = math.sqrt(1 / applications)
        self.z_proj.weight.mul_(factor)
        self.resnet.scale_last_(factor)

    def posterior_parameters(self, state: Tensor, activation: Tensor) -> Gaussian:
        """q(z | x, a) from the state and the encoder activation, both [B, channels, H, W]."""
        return split_gaussian(self.posterior(torch.cat((state, activation), dim=1)))

    def prior_parameters(self, state: Tensor) -> tuple[Gaussian, Tensor]:
        """p(z | x) and the increment h, [B, channels, H, W], from the state, [B, channels, H, W]."""
        gaussian, h = self.prior(state).split((2 * self.latent, self.channels), dim=1)
        return split_gaussian(gaussian), h

    def step(self, state: Tensor, h: Tensor, z: Tensor) -> Tensor:
        """The next state, resnet((x + h) + z_proj(z)), in this order of additions."""
        following: Tensor = self.resnet(state + h + self.z_proj(z))
        return following

    def forward(self, state: Tensor, activation: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One application with z from the posterior: the next state, z, and KL(q || p) in nats per image, [B].

        `noise` is standard normal, [B, latent, H, W].
        """
        q = self.posterior_parameters(state, activation)
        p, h = self.prior_parameters(state)
        z = sample(*q, noise)
        kl_nats = kl_divergence_nats(*q, *p).sum(dim=(1, 2, 3))
        return self.step(state, h, z), z, kl_nats

    def generate(self, state: Tensor, noise: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """One application with z from the prior, its sigma multiplied by `temperature`: the next state and z.

        `noise` is standard normal, [B, latent, H, W]. Raises ValueError unless temperature > 0;
        towards 0, z is the mean.
        """
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, not {temperature}")
        p, h = self.prior_parameters(state)
        z = sample(p.mean, p.log_sigma + math.log(temperature), noise)
        return self.step(state, h, z), z

    def generate_from(self, state: Tensor, z: Tensor) -> Tensor:
        """One application with a given z, [B, latent, H, W]: the next state."""
        _, h = self.prior_parameters(state)
        return self.step(state, h, z)
