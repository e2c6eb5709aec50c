"""Changes of resolution and of width: pooling, upsampling, channel padding, the mix-in of a coarser state."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def average_pool(x: Tensor, factor: int) -> Tensor:
    """[B, C, H, W] -> [B, C, H / factor, W / factor]: the mean of every factor x factor patch.

    Raises ValueError where `factor` does not divide H and W.
    """
    height, width = x.shape[2:]
    if height % factor or width % factor:
        raise ValueError(f"cannot pool {height}x{width} by {factor}: it does not divide the resolution")
    return F.avg_pool2d(x, factor)


def upsample_nearest(x: Tensor, factor: int) -> Tensor:
    """[B, C, H, W] -> [B, C, H * factor, W * factor]: every value repeated over a factor x factor patch."""
    return F.interpolate(x, scale_factor=factor, mode="nearest")


def pad_channels(x: Tensor, channels: int) -> Tensor:
    """[B, C, H, W] -> [B, channels, H, W], the new channels zero (openai/vdvae).

    Raises ValueError where it would cut.
    """
    missing = channels - x.shape[1]
    if missing < 0:
        raise ValueError(f"cannot pad {x.shape[1]} channels to {channels}: channels are never cut")
    return F.pad(x, (0, 0, 0, 0, 0, missing))


def mix_in(state: Tensor, source: Tensor, factor: int) -> Tensor:
    """The state [B, C, H, W] plus the upsampled source [B, C', H / factor, W / factor], cut to the first C channels.

    The `m` of a block string (Falck, Williams et al. 2022, Table G.6). Raises ValueError where C' < C.
    """
    channels = state.shape[1]
    if source.shape[1] < channels:
        raise ValueError(f"cannot mix {source.shape[1]} channels into a state of {channels}: the source is narrower")
    return state + upsample_nearest(source[:, :channels], factor)
