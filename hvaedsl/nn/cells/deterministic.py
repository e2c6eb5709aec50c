"""The base class of top-down blocks that draw no latent, at resolutions with `latent` 0.

Shape legend: x the state, [B, channels, H, W].
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from hvaedsl.nn.blocks import scaled_for_depth


class DeterministicBlock(nn.Module, ABC):
    """A top-down block without posterior and latent: the next state is a function of the state."""

    resnet: nn.Module

    @abstractmethod
    def forward(self, state: Tensor) -> Tensor:
        """The next state, [B, channels, H, W]."""

    @torch.no_grad()
    def scale_for_depth_(self, applications: int) -> None:
        """Scale what the residual step adds by sqrt(1 / applications in the decoder), once per set of weights.

        Raises ValueError for less than one application.
        """
        if applications < 1:
            raise ValueError(f"applications must be at least 1, not {applications}")
        scaled_for_depth(self.resnet, applications=applications)
