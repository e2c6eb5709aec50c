"""Theorem 3: what a U-Net without skip connections discards bounds how far its reconstructions are from the data.

Falck, Williams et al. 2022, Theorem 3, in a form that is derived here, since it can be proved line by line. F_j are
invertible with Lipschitz constants L_j, P is the projection of average pooling by 2, x_1 = X, and at every resolution

    u_j = F_j(x_j),   x_(j+1) = P u_j,   d_j = (I - P) u_j.

Y goes back up through F_j^-1 with every d_j = 0. For any x and any y that is decoded so, P y's details are 0, hence

    L_j^2 ||x_j - y_j||^2 >= ||F_j(x_j) - F_j(y_j)||^2 = ||x_(j+1) - y_(j+1)||^2 + ||d_j||^2,

and by induction, for every coupling of X and Y and so for the optimal one,

    sum_j E||d_j||^2 / prod_(i<=j) L_i^2 <= W2^2(X, Y) <= E||X - Y||^2.

For orthogonal F_j the first step is an equality, and so are both inequalities.

Shape legend: n samples of fields [n, 1, R, R], float64. x_(j+1) is held in orthonormal coordinates of the range of P,
2 avgpool(u_j), so that norms stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from hvaedsl.nn.resolution import average_pool, upsample_nearest
from hvaedsl_runtime.theory.projection import average_projection

FACTOR = 2
SMALLEST_SINGULAR_VALUE, LARGEST_SINGULAR_VALUE = 0.5, 2.0


@dataclass(frozen=True)
class AffineMap:
    """F(x) = A x + b on fields [n, 1, R, R]; A is [R * R, R * R] and invertible."""

    matrix: Tensor
    offset: Tensor

    @property
    def lipschitz(self) -> float:
        """The largest singular value of A."""
        return float(torch.linalg.matrix_norm(self.matrix, ord=2))

    def __call__(self, x: Tensor) -> Tensor:
        """F(x), of the shape of x."""
        return (x.flatten(1) @ self.matrix.T + self.offset).view_as(x)

    def inverse(self, u: Tensor) -> Tensor:
        """F^-1(u), of the shape of u."""
        solved: Tensor = torch.linalg.solve(self.matrix, (u.flatten(1) - self.offset).T)
        return solved.T.reshape(u.shape)


@dataclass(frozen=True)
class Bounds:
    """Both sides of Theorem 3 for one stack, and what lies between them."""

    lower: float  # sum_j E||d_j||^2 / prod_(i<=j) L_i^2
    w2_squared: float
    upper: float  # E||X - Y||^2
    lower_without_constants: float  # sum_j E||d_j||^2: a bound of orthogonal stacks alone

    @property
    def violation(self) -> float:
        """By how much an inequality fails; 0 where both hold."""
        return max(0.0, self.lower - self.w2_squared, self.w2_squared - self.upper)


def encode(stack: Sequence[AffineMap], x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The last x_j, and every d_j [n, 1, R_j, R_j], the finest first."""
    details = []
    for forward in stack:
        u = forward(x)
        details.append(u - average_projection(u, FACTOR))
        x = FACTOR * average_pool(u, FACTOR)
    return x, details


def decode(stack: Sequence[AffineMap], x: Tensor) -> Tensor:
    """Y, [n, 1, R, R]: back up from the last x_j with every d_j = 0."""
    for forward in reversed(stack):
        x = forward.inverse(upsample_nearest(x, FACTOR) / FACTOR)
    return x


def bounds(stack: Sequence[AffineMap], x: Tensor) -> Bounds:
    """Both sides of Theorem 3 for samples x [n, 1, R, R] and their reconstructions."""
    bottleneck, details = encode(stack, x)
    y = decode(stack, bottleneck)
    lower, without, product = 0.0, 0.0, 1.0
    for forward, detail in zip(stack, details, strict=True):
        discarded = _mean_squared_norm(detail)
        product *= forward.lipschitz**2
        lower += discarded / product
        without += discarded
    return Bounds(lower, w2_squared(x, y), _mean_squared_norm(x - y), without)


def w2_squared(x: Tensor, y: Tensor) -> float:
    """The squared Wasserstein-2 distance of two samples of equal size, by the optimal assignment (scipy)."""
    costs = (x.flatten(1)[:, None] - y.flatten(1)[None]).square().sum(dim=2).numpy()
    rows, columns = linear_sum_assignment(costs)
    return float(costs[rows, columns].mean())


def random_stacks(
    count: int, samples: int, resolution: int, seed: int, *, orthogonal: bool
) -> Iterator[tuple[list[AffineMap], Tensor]]:
    """Stacks down to a single value, each with standard normal samples [samples, 1, resolution, resolution].

    Singular values are log-uniform between 1/2 and 2, or all 1 for orthogonal maps.
    """
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        sizes, size = [], resolution
        while size > 1:
            sizes.append(size)
            size //= FACTOR
        stack = [_random_map(size**2, generator, orthogonal) for size in sizes]
        yield stack, torch.randn((samples, 1, resolution, resolution), dtype=torch.float64, generator=generator)


def _random_map(dimension: int, generator: torch.Generator, orthogonal: bool) -> AffineMap:
    left, right = (
        torch.linalg.qr(torch.randn((dimension, dimension), dtype=torch.float64, generator=generator))[0]
        for _ in range(2)
    )
    share = torch.rand(dimension, dtype=torch.float64, generator=generator)
    values = SMALLEST_SINGULAR_VALUE * (LARGEST_SINGULAR_VALUE / SMALLEST_SINGULAR_VALUE) ** share
    if orthogonal:
        values = torch.ones_like(values)
    return AffineMap(left * values @ right, torch.randn(dimension, dtype=torch.float64, generator=generator))


def _mean_squared_norm(x: Tensor) -> float:
    return float(x.flatten(1).square().sum(dim=1).mean())
