"""The base class of likelihoods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from hvaedsl.nn.blocks import conv
from hvaedsl.nn.precision import at_least_float32


class Likelihood(nn.Module, ABC):
    """A head: a 1x1 convolution of the final top-down state [B, width, H, W], and the density its outputs describe.

    `channels` is the number of image channels C. `gives` says what exp(-nll) is: the probability mass of levels, or a
    density of real values, which is compared with no mass. A likelihood of your own that says neither is reported so.
    """

    gives: ClassVar[Literal["mass", "density"] | None] = None

    def __init__(self, width: int, outputs: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.out_conv = conv(width, outputs, 1)

    def outputs(self, state: Tensor) -> Tensor:
        """[B, width, H, W] -> the raw outputs of the head, [B, H, W, outputs], in float32 or wider."""
        raw: Tensor = self.out_conv(state)
        return at_least_float32(raw).permute(0, 2, 3, 1)

    def check_target(self, target: Tensor, outputs: Tensor) -> None:
        """Raise ValueError unless the target is [B, H, W, C] for outputs [B, H, W, ...]; it must not broadcast."""
        expected = (*outputs.shape[:3], self.channels)
        if tuple(target.shape) != expected:
            raise ValueError(f"the target has shape {tuple(target.shape)}, the likelihood describes {expected}")

    @abstractmethod
    def nll_nats_per_dim(self, state: Tensor, target: Tensor) -> Tensor:
        """The distortion of a target [B, H, W, C]: -log p in nats, the mean over H * W * C; [B]."""

    @abstractmethod
    def sample(self, state: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Images drawn from the likelihood, [B, H, W, C]: uint8, or int32 above 256 levels; floats from a density."""

    @abstractmethod
    def mean(self, state: Tensor) -> Tensor:
        """The likelihood's central image, float [B, H, W, C], on the scale of the targets."""
