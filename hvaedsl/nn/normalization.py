"""The state divided by its norm."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from hvaedsl.nn.precision import at_least_float32

Norm = Literal["l2", "rms"]
Over = Literal["sample", "batch"]

SMALLEST_NORM = 1e-6


def normalize_state(x: Tensor, over: Over, norm: Norm) -> Tensor:
    """[B, C, H, W] -> x / norm(x), of the same shape and type: the ablation of Falck, Williams et al. 2022, Table 2.

    `over` takes one norm for each image or one for the whole batch; `norm` is the root of the sum of squares (l2) or of
    their mean (rms). A state whose norm is below 1e-6 stays as it is: a learned bias starts at 0, where the quotient
    has no derivative. Computed in float32 or wider.
    """
    wide = at_least_float32(x)
    dims = (1, 2, 3) if over == "sample" else (0, 1, 2, 3)
    squares = wide.square()
    squared_norm = squares.sum(dims, keepdim=True) if norm == "l2" else squares.mean(dims, keepdim=True)
    divisible = torch.where(squared_norm < SMALLEST_NORM**2, 1.0, squared_norm)
    return (wide * divisible.rsqrt()).to(x.dtype)
