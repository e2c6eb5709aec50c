"""The cell of VDVAE."""

from __future__ import annotations

from torch import Tensor

from hvaedsl.nn.blocks import BlockClass, Bottleneck, ResidualBlock, conv, residual_block, scaled_for_depth
from hvaedsl.nn.cells.base import Cell
from hvaedsl.nn.cells.deterministic import DeterministicBlock
from hvaedsl.nn.fourier import NO_FEATURES, CellFeatures, features_channels, fourier_features


class VDVAECell(Cell):
    """The top-down block of VDVAE (openai/vdvae; Falck, Williams et al. 2022, Appendix G).

    With state x and encoder activation a, both [B, channels, H, W], and latent z, [B, latent, H, W]::

        q(z | x, a) = posterior([x, a]);   p(z | x), h = prior(x);   x' = resnet(x + h + z_proj(z))
    """

    gives_h = True

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
        self.z_proj = conv(features_channels(latent, features.sample), channels, 1)
        self.resnet = residual_block(block, channels, mid_channels, kernel, features.block)

    def scale_for_depth_(self, applications: int) -> None:
        """Scale what z adds, and the residual step, by sqrt(1 / applications in the decoder)."""
        super().scale_for_depth_(applications)
        scaled_for_depth(self.resnet, applications=applications)

    def _scale_(self, factor: float) -> None:
        self.z_proj.weight.mul_(factor)

    def step(self, state: Tensor, h: Tensor, z: Tensor) -> Tensor:
        """The next state, resnet((x + h) + z_proj(z)), in this order of additions."""
        following: Tensor = self.resnet(state + h + self.projected(z))
        return following

    def projected(self, z: Tensor) -> Tensor:
        """What z adds to the state, [B, latent, H, W] -> [B, channels, H, W]."""
        added: Tensor = self.z_proj(fourier_features(z, self.features.sample))
        return added


class VDVAEDeterministicBlock(DeterministicBlock):
    """What VDVAE's cell is without a latent: x' = resnet(x + h), h = prior(x)."""

    def __init__(
        self,
        channels: int,
        mid_channels: int,
        kernel: int,
        features: CellFeatures = NO_FEATURES,
        block: BlockClass = ResidualBlock,
    ) -> None:
        super().__init__()
        self.prior = Bottleneck(channels, mid_channels, channels, kernel, residual=False, features=features.branches)
        self.prior.zero_last_()
        self.resnet = residual_block(block, channels, mid_channels, kernel, features.block)

    def forward(self, state: Tensor) -> Tensor:
        """The next state, [B, channels, H, W]."""
        following: Tensor = self.resnet(state + self.prior(state))
        return following
