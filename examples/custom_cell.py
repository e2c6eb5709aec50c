"""A custom cell: z enters the state through a gate that depends on the state. See custom_parts.hvae."""

from __future__ import annotations

import torch
from torch import Tensor

from hvaedsl.nn.blocks import conv
from hvaedsl.nn.cells import Cell


class GatedCell(Cell):
    """x' = x + sigmoid(G x + c) * (W z + b), with the posterior and the prior of VDVAE, and without h."""

    def __init__(self, channels: int, mid_channels: int, latent: int, kernel: int) -> None:
        super().__init__(channels, mid_channels, latent, kernel)
        self.z_proj = conv(latent, channels, 1)
        self.gate = conv(channels, channels, 1)

    def _scale_(self, factor: float) -> None:
        self.z_proj.weight.mul_(factor)

    def step(self, state: Tensor, h: Tensor, z: Tensor) -> Tensor:  # noqa: ARG002 - the prior of this cell returns no h
        """Return the next state, [B, channels, H, W]."""
        following: Tensor = state + torch.sigmoid(self.gate(state)) * self.z_proj(z)
        return following
