"""The residual block with self-attention over the positions."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from hvaedsl.nn.blocks import ResidualBlock, conv
from hvaedsl.nn.fourier import Exponents
from hvaedsl.nn.precision import at_least_float32

HEAD_CHANNELS = 64
MOST_GROUPS = 32
GROUP_CHANNELS = 4


class AttentionBlock(ResidualBlock):
    """The convolutions of the residual block, followed by residual self-attention over all positions::

        u = x + f(x);   x' = u + W [softmax(q k^T / sqrt(d)) v for each head] + b,   (q, k, v) = A norm(u) + c

    The form is that of the U-Nets of diffusion models (Ho et al. 2020), with several heads (Dhariwal and Nichol 2021):
    a group normalization, 1x1 convolutions, and W, which starts at zero, so that the block starts as the residual
    block. Without `heads`, each head has at least 64 channels, or all of fewer. Positions are not encoded.
    Raises ValueError for a number of heads that does not divide the channels.
    """

    def __init__(
        self, channels: int, mid_channels: int, kernel: int, features: Exponents = (), *, heads: int | None = None
    ) -> None:
        super().__init__(channels, mid_channels, kernel, features)
        self.heads = largest_divisor(channels, channels // HEAD_CHANNELS) if heads is None else heads
        if channels % self.heads:
            raise ValueError(f"the number of heads, {self.heads}, must divide the {channels} channels")
        groups = largest_divisor(channels, min(MOST_GROUPS, channels // GROUP_CHANNELS))
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = conv(channels, 3 * channels, 1)
        self.out = conv(channels, channels, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, H, W] -> the same shape."""
        u = super().forward(x)

        # Channels last, so that queries, keys and values [B, heads, H * W, channels / heads] suit the fused kernels.
        positions = self.qkv(self.norm(at_least_float32(u))).flatten(2).mT.contiguous()
        batch, count, channels = positions.shape
        q, k, v = positions.view(batch, count, 3, self.heads, channels // (3 * self.heads)).permute(2, 0, 3, 1, 4)
        read = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        added: Tensor = self.out(read.mT.reshape(u.shape))
        return u + added


def largest_divisor(number: int, most: int) -> int:
    """The largest divisor of a number that is at most `most`, and at least 1."""
    return next((found for found in range(most, 1, -1) if number % found == 0), 1)
