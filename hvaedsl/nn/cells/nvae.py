"""The cell with NVAE's connection."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hvaedsl.nn.blocks import BlockClass, ResidualBlock, conv, residual_block, scaled_for_depth
from hvaedsl.nn.cells.base import Cell
from hvaedsl.nn.cells.deterministic import DeterministicBlock
from hvaedsl.nn.fourier import NO_FEATURES, CellFeatures, features_channels, fourier_features
from hvaedsl.nn.precision import at_least_float32


class NVAECell(Cell):
    """The cell that combines state and latent as NVAE does, by a 1x1 convolution of [x, z] (Vahdat and Kautz 2020)::

        q(z | x, a) = posterior([x, a]);   p(z | x) = prior(x);   x' = resnet(A x + B z + b)

    A starts as the identity and B as VDVAE's z projection: with A = I it is the additive form x + B z of Falck,
    Williams et al. 2022. It is NVAE's connection and not NVAE: its blocks are VDVAE's, without batch normalization,
    squeeze-and-excitation, depthwise convolutions and residual normal distributions.

    Under autocast the convolution rounds A x to 16 bits in every block; the sum of VDVAE's cell keeps x in float32.
    """

    def __init__(
        self,
        channels: int,
        mid_channels: int,
        latent: int,
        kernel: int,
        features: CellFeatures = NO_FEATURES,
        block: BlockClass = ResidualBlock,
    ) -> None:
        super().__init__(channels, mid_channels, latent, kernel, features)
        self.combiner = conv(channels + features_channels(latent, features.sample), channels, 1)
        with torch.no_grad():
            of_state, of_z = self._split_combiner()
            of_state.copy_(torch.eye(channels)[:, :, None, None])
            nn.init.kaiming_uniform_(of_z, a=math.sqrt(5))  # as torch draws a convolution that reads z alone
        self.resnet = residual_block(block, channels, mid_channels, kernel, features.block)

    def _split_combiner(self) -> tuple[Tensor, Tensor]:
        """A, [channels, channels, 1, 1], and B, [channels, latent, 1, 1]: views of the combiner's weights."""
        return self.combiner.weight[:, : self.channels], self.combiner.weight[:, self.channels :]

    def scale_for_depth_(self, applications: int) -> None:
        """Scale what z adds, and the residual step, by sqrt(1 / applications in the decoder)."""
        super().scale_for_depth_(applications)
        scaled_for_depth(self.resnet, applications=applications)

    def _scale_(self, factor: float) -> None:
        _, of_z = self._split_combiner()
        of_z.mul_(factor)

    def step(self, state: Tensor, h: Tensor, z: Tensor) -> Tensor:  # noqa: ARG002 - its prior gives no h
        """The next state, resnet(A x + B z + b), in float32 or wider as every decoder state."""
        following: Tensor = self.resnet(
            at_least_float32(self.combiner(torch.cat((state, fourier_features(z, self.features.sample)), dim=1)))
        )
        return following


class NVAEDeterministicBlock(DeterministicBlock):
    """What the cell with NVAE's connection is without a latent: x' = resnet(A x + b); A starts as the identity."""

    def __init__(
        self,
        channels: int,
        mid_channels: int,
        kernel: int,
        features: CellFeatures = NO_FEATURES,
        block: BlockClass = ResidualBlock,
    ) -> None:
        super().__init__()
        self.combiner = conv(channels, channels, 1)
        with torch.no_grad():
            self.combiner.weight.copy_(torch.eye(channels)[:, :, None, None])
        self.resnet = residual_block(block, channels, mid_channels, kernel, features.block)

    def forward(self, state: Tensor) -> Tensor:
        """The next state, [B, channels, H, W], in float32 or wider as every decoder state."""
        following: Tensor = self.resnet(at_least_float32(self.combiner(state)))
        return following
