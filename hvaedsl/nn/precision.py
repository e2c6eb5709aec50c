"""The precision in which densities are computed."""

from __future__ import annotations

import torch
from torch import Tensor


def for_convolutions(x: Tensor) -> Tensor:
    """`x` in the type in which autocast computes convolutions, so that several read one copy; else `x` itself."""
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x


def at_least_float32(x: Tensor) -> Tensor:
    """`x` in float32 where it is a 16-bit float (as under autocast), else `x` itself; same shape.

    Log-densities are differences of nearly equal numbers, which 8 or 11 bits of mantissa do not hold.
    """
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
