"""Theorem 3: the details that a U-Net without skip connections discards bound its distance to the data.

Falck, Williams et al. 2022, Theorem 3, in a form that is derived here, because each of its steps can be proved. The F_j
are invertible with Lipschitz constants L_j, P is the projection of average pooling by 2, x_1 = X, and at every
resolution

    u_j = F_j(x_j),   x_(j+1) = P u_j,   d_j = (I - P) u_j.

Y is obtained by going back through the inverses F_j^-1 with every d_j = 0. For any x and any such y, the details of
F_j(y_j) are 0, hence

    L_j^2 ||x_j - y_j||^2 >= ||F_j(x_j) - F_j(y_j)||^2 = ||x_(j+1) - y_(j+1)||^2 + ||d_j||^2,

and by induction, for every coupling of X and Y, including the optimal one,

    sum_j E||d_j||^2 / prod_(i<=j) L_i^2 <= W2^2(X, Y) <= E||X - Y||^2.

For orthogonal F_j the first step is an equality, and so are both bounds.

Shape legend: n samples of fields [n, 1, R, R], float64. x_(j+1) is stored in orthonormal coordinates of the range of P,
2 avgpool(u_j), which preserves norms.
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
        """F(x), with the shape of x."""
        return (x.flatten(1) @ self.matrix.T + self.offset).view_as(x)

    def inverse(self, u: Tensor) -> Tensor:
        """F^-1(u), with the shape of u."""
        solved: Tensor = torch.linalg.solve(self.matrix, (u.flatten(1) - self.offset).T)
        return solved.T.reshape(u.shape)


@dataclass(frozen=True)
class Bounds:
    """Both bounds of Theorem 3 for one stack, and the distance between them."""

    lower: float  # sum_j E||d_j||^2 / prod_(i<=j) L_i^2
    w2_squared: float
    upper: float  # E||X - Y||^2
    lower_without_constants: float  # sum_j E||d_j||^2: a bound only for orthogonal stacks

    @property
    def violation(self) -> float:
        """The amount by which an inequality fails; 0 if both hold."""
        return max(0.0, self.lower - self.w2_squared, self.w2_squared - self.upper)


def encode(stack: Sequence[AffineMap], x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The last x_j, and every d_j [n, 1, R_j, R_j], finest first."""
    details = []
    for forward in stack:
        u = forward(x)
        details.append(u - average_projection(u, FACTOR))
        x = FACTOR * average_pool(u, FACTOR)
    return x, details


def decode(stack: Sequence[AffineMap], x: Tensor) -> Tensor:
    """Y, [n, 1, R, R], from the last x_j and with every d_j = 0."""
    for forward in reversed(stack):
        x = forward.inverse(upsample_nearest(x, FACTOR) / FACTOR)
    return x


def bounds(stack: Sequence[AffineMap], x: Tensor) -> Bounds:
    """Both bounds of Theorem 3 for samples x [n, 1, R, R] and their reconstructions."""
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
    """The squared Wasserstein-2 distance between two samples of equal size, by optimal assignment (scipy)."""
    costs = (x.flatten(1)[:, None] - y.flatten(1)[None]).square().sum(dim=2).numpy()
    rows, columns = linear_sum_assignment(costs)
    return float(costs[rows, columns].mean())


def random_stacks(
    count: int, samples: int, resolution: int, seed: int, *, orthogonal: bool
) -> Iterator[tuple[list[AffineMap], Tensor]]:
    """Stacks down to a single value, each with standard normal samples [samples, 1, resolution, resolution].

    The singular values are log-uniform between 1/2 and 2, or all 1 if the maps are orthogonal.
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

    # The uniform draw is made in both cases, so that the stacks of a seed differ in their singular values alone.
    share = torch.rand(dimension, dtype=torch.float64, generator=generator)
    values = SMALLEST_SINGULAR_VALUE * (LARGEST_SINGULAR_VALUE / SMALLEST_SINGULAR_VALUE) ** share
    if orthogonal:
        values = torch.ones_like(values)
    return AffineMap(left * values @ right, torch.randn(dimension, dtype=torch.float64, generator=generator))


def _mean_squared_norm(x: Tensor) -> float:
    return float(x.flatten(1).square().sum(dim=1).mean())
