"""Convolutions, and the bottleneck and the residual block that encoder and cells are built from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hvaedsl.nn.fourier import Exponents, features_channels, fourier_features

KERNELS = (1, 3)
# The class of a residual block: `Name(channels, mid_channels, kernel)`, with `features` as a fourth argument if the
# block reads Fourier features of its input. [B, channels, H, W] -> the same shape.
BlockClass = Callable[..., nn.Module]
AnyBlock = TypeVar("AnyBlock", bound=nn.Module)


def conv(in_channels: int, out_channels: int, kernel: int) -> nn.Conv2d:
    """A convolution [B, in, H, W] -> [B, out, H, W]: same padding, torch's default weights, a zero bias (openai/vdvae).

    With kernel 3 it is the stem of the encoder. Raises ValueError for a kernel other than 1 and 3.
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {KERNELS}, not {kernel}")
    layer = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
    # Zeroed after the default initialization has drawn it, so that a seed gives the published code's weights.
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Bottleneck(nn.Module):
    """The block of VDVAE: convolutions 1x1 in -> mid, two kernel x kernel mid -> mid, 1x1 mid -> out, GELU before each.

    The GELU is the exact one. Source: openai/vdvae; Falck, Williams et al. 2022, Appendix G. With `features` the
    convolutions read the input with its Fourier features, and a residual block adds the raw input.
    Raises ValueError where a residual block changes the number of channels.
    """

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        out_channels: int,
        kernel: int,
        *,
        residual: bool,
        features: Exponents = (),
    ) -> None:
        super().__init__()
        if residual and in_channels != out_channels:
            raise ValueError(f"a residual block keeps its channels, but has {in_channels} in and {out_channels} out")
        self.residual = residual
        self.features = features
        self.c1 = conv(features_channels(in_channels, features), mid_channels, 1)
        self.c2 = conv(mid_channels, mid_channels, kernel)
        self.c3 = conv(mid_channels, mid_channels, kernel)
        self.c4 = conv(mid_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, H, W]."""
        hidden = fourier_features(x, self.features)
        for layer in (self.c1, self.c2, self.c3, self.c4):
            hidden = layer(F.gelu(hidden))
        return x + hidden if self.residual else hidden

    @torch.no_grad()
    def zero_last_(self) -> None:
        """Set the weights of the last convolution to zero, so that a prior starts as N(0, 1)."""
        self.c4.weight.zero_()

    @torch.no_grad()
    def scale_last_(self, factor: float) -> None:
        """Multiply the weights of the last convolution by `factor`."""
        self.c4.weight.mul_(factor)

    def scale_for_depth_(self, applications: int) -> None:
        """Scale the last convolution by sqrt(1 / applications in the stack), once per set of weights."""
        self.scale_last_(math.sqrt(1 / applications))


class ResidualBlock(Bottleneck):
    """The residual block of VDVAE, [B, channels, H, W] -> the same shape: x + f(x), with a bottleneck as f."""

    def __init__(self, channels: int, mid_channels: int, kernel: int, features: Exponents = ()) -> None:
        super().__init__(channels, mid_channels, channels, kernel, residual=True, features=features)


def residual_block(block: BlockClass, channels: int, mid_channels: int, kernel: int, features: Exponents) -> nn.Module:
    """A block of a class. Only one that reads Fourier features has to take them."""
    return block(channels, mid_channels, kernel, *((features,) if features else ()))


@torch.no_grad()
def scaled_for_depth(block: AnyBlock, *, applications: int) -> AnyBlock:
    """A block or cell of a stack with `applications` of them; it starts scaled for this depth, if it has a method."""
    if (scale := getattr(block, "scale_for_depth_", None)) is not None:
        scale(applications)
    return block
