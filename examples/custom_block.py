"""A custom residual block: depthwise convolutions between two 1x1 convolutions. In a spec, with this file beside it:

model { block = {8: "custom_block:DepthwiseBlock", other: residual} }
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hvaedsl.nn.blocks import conv

EXPANSION = 4


class DepthwiseBlock(nn.Module):
    """x' = x + c3(gelu(c2(gelu(c1(x))))), where c2 convolves every channel for itself."""

    def __init__(self, channels: int, mid_channels: int, kernel: int) -> None:
        super().__init__()
        inner = EXPANSION * mid_channels
        self.c1 = conv(channels, inner, 1)
        self.c2 = nn.Conv2d(inner, inner, kernel, padding=kernel // 2, groups=inner)
        self.c3 = conv(inner, channels, 1)

    @torch.no_grad()
    def scale_for_depth_(self, applications: int) -> None:
        """Scale what the block adds, so that the sum over a stack starts with a bounded variance."""
        self.c3.weight.mul_(math.sqrt(1 / applications))

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, H, W] -> the same shape."""
        added: Tensor = self.c3(F.gelu(self.c2(F.gelu(self.c1(x)))))
        return x + added
