"""Theorem 2: average pooling by 2^J is the Haar approximation, and its projection drops exactly the details.

Falck, Williams et al. 2022, Theorem 2. P x = upsample(avgpool(x, k), k) with k = 2^J; cA_J is the approximation of the
J-level orthonormal Haar transform in two dimensions. P uses the pooling and upsampling functions of the models, and
the transforms are those of PyWavelets. The factor 2^J, the tolerance and the scaling of the errors are chosen here.

Shape legend: x, y are fields [N, C, H, W] in float64; errors are one number per image, [N].
"""

from __future__ import annotations

from collections.abc import Callable

import pywt
import torch
from torch import Tensor

from hvaedsl.nn.resolution import average_pool, strided_pool, upsample_nearest

Pooling = Callable[[Tensor, int], Tensor]
Projection = Callable[[Tensor, int], Tensor]

# The transform of a periodic signal: orthonormal at every even size, even if the filter is longer than the signal.
BOUNDARY = "periodization"


def average_projection(x: Tensor, factor: int) -> Tensor:
    """P x, [N, C, H, W]: each factor x factor patch becomes its mean. Raises ValueError unless it divides H and W."""
    return upsample_nearest(average_pool(x, factor), factor)


def strided_projection(x: Tensor, factor: int) -> Tensor:
    """Replace every patch by its first value, [N, C, H, W]. Idempotent, but not self-adjoint: a negative control."""
    return upsample_nearest(strided_pool(x, factor), factor)


def wavelet_projection(x: Tensor, levels: int, wavelet: str) -> Tensor:
    """The inverse transform of a wavelet approximation with all details 0, [N, C, H, W] (PyWavelets)."""
    approximation = wavelet_analysis(x, levels, wavelet)[0].numpy()
    for _ in range(levels):
        approximation = pywt.idwt2((approximation, (None, None, None)), wavelet, mode=BOUNDARY, axes=(-2, -1))
    return torch.from_numpy(approximation)


def wavelet_analysis(x: Tensor, levels: int, wavelet: str) -> tuple[Tensor, Tensor]:
    """The approximation cA_J, [N, C, H / 2^J, W / 2^J], and the squared norm of all details, [N] (PyWavelets).

    Raises ValueError unless 2^J divides H and W.
    """
    if any(size % 2**levels for size in x.shape[2:]):
        raise ValueError(f"the sizes are {list(x.shape[2:])}; {levels} levels need multiples of {2**levels}")

    approximation, energy = x.numpy(), torch.zeros(len(x), dtype=x.dtype)
    for _ in range(levels):
        approximation, details = pywt.dwt2(approximation, wavelet, mode=BOUNDARY, axes=(-2, -1))
        energy = energy + sum(norms(torch.from_numpy(detail)) ** 2 for detail in details)
    return torch.from_numpy(approximation), energy


def haar_levels(size: int) -> int:
    """The largest J such that 2^J divides a size."""
    return (size & -size).bit_length() - 1


def coefficient_errors(x: Tensor, levels: int, pool: Pooling = average_pool) -> Tensor:
    """||cA_J - 2^J avgpool(x, 2^J)||. In two dimensions a Haar step divides the sum of four values by 2."""
    return norms(wavelet_analysis(x, levels, "haar")[0] - 2**levels * pool(x, 2**levels))


def reconstruction_errors(x: Tensor, levels: int, project: Projection = average_projection) -> Tensor:
    """||inverse Haar transform with all details 0 - P x||."""
    return norms(wavelet_projection(x, levels, "haar") - project(x, 2**levels))


def energy_errors(x: Tensor, levels: int, project: Projection = average_projection) -> Tensor:
    """| ||x|| - sqrt(||P x||^2 + sum ||details||^2) |: square roots, because the tolerance is in units of ||x||."""
    details = wavelet_analysis(x, levels, "haar")[1]
    return (norms(x) - (norms(project(x, 2**levels)) ** 2 + details).sqrt()).abs()


def idempotence_errors(x: Tensor, factor: int, project: Projection = average_projection) -> Tensor:
    """||P P x - P x||."""
    once = project(x, factor)
    return norms(project(once, factor) - once)


def self_adjointness_errors(x: Tensor, y: Tensor, factor: int, project: Projection = average_projection) -> Tensor:
    """|<P x, y> - <x, P y>| for y of norm 1."""
    return (inner_products(project(x, factor), y) - inner_products(x, project(y, factor))).abs()


def relative_difference(a: Tensor, b: Tensor, x: Tensor) -> float:
    """||a - b|| / ||x|| over all images together."""
    return float((a - b).norm() / x.norm())


def unit_fields(x: Tensor, seed: int) -> Tensor:
    """Random fields with the shape of x, [N, C, H, W], uniform on the unit sphere."""
    generator = torch.Generator().manual_seed(seed)
    fields = torch.randn(x.shape, dtype=x.dtype, generator=generator)
    return fields / norms(fields).view(-1, 1, 1, 1)


def worst(errors: Tensor, x: Tensor) -> float:
    """The largest error in units of max(1, ||x||), over images."""
    return float((errors / norms(x).clamp(min=1)).max())


def norms(x: Tensor) -> Tensor:
    """||x|| of each image, [N]."""
    return x.flatten(1).square().sum(dim=1).sqrt()


def inner_products(x: Tensor, y: Tensor) -> Tensor:
    """<x, y> of each pair of images, [N]."""
    return (x * y).flatten(1).sum(dim=1)
