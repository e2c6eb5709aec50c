"""Fourier features: append sines and cosines of a tensor to its channels."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from hvaedsl.nn.precision import at_least_float32

Exponents = tuple[int, ...]


class CellFeatures(NamedTuple):
    """The exponents of the features inside a top-down block, by place."""

    branches: Exponents = ()  # of x for the prior, of [x, a] for the posterior
    sample: Exponents = ()  # of z, before its projection
    block: Exponents = ()  # of the residual step's first convolution


NO_FEATURES = CellFeatures()


def fourier_features(x: Tensor, exponents: Exponents) -> Tensor:
    """[B, C, H, W] -> [B, C * (1 + 2 * len(exponents)), H, W]: [x, sin(2^n pi x), cos(2^n pi x) for each n].

    The features of variational diffusion models (Kingma et al. 2021), with which Falck, Williams et al. 2022 vary the
    model in Tables G.8 to G.10. In float32 or wider where there are any: 16 bits do not hold such angles.
    """
    if not exponents:
        return x
    wide = at_least_float32(x)
    features = [wide]
    for n in exponents:
        angle = wide * (2.0**n * math.pi)
        features += [angle.sin(), angle.cos()]
    return torch.cat(features, dim=1)


def features_channels(channels: int, exponents: Exponents) -> int:
    """How many channels `fourier_features` makes of `channels`."""
    return channels * (1 + 2 * len(exponents))
