"""The Euler-Maruyama cell."""

from __future__ import annotations

from torch import Tensor

from hvaedsl.nn.cells.base import Cell
from hvaedsl.nn.fourier import NO_FEATURES, CellFeatures
from hvaedsl.nn.gaussian import Gaussian, sample


class EulerMaruyamaCell(Cell):
    """The cell whose latent is the next state: a step of the Euler-Maruyama scheme, with step size 1::

        q(z | x, a) = N(x + mu_q(x, a), sigma_q(x, a)^2);   p(z | x) = N(x + mu_p(x), sigma_p(x)^2);   x' = z

    `posterior_parameters` and `prior_parameters` give the increment z - x: mu and log sigma. Both means hold the same
    x, so KL(q || p) is that of the increments and x does not enter it. Nothing is scaled with depth: no convolution
    stands between z and the state, and there is no residual step. Raises ValueError if z has not the channels of the
    state, and for Fourier features of z.
    """

    def __init__(
        self, channels: int, mid_channels: int, latent: int, kernel: int, features: CellFeatures = NO_FEATURES
    ) -> None:
        if features.sample:
            raise ValueError("there is no projection of z that could read its Fourier features")
        if latent != channels:
            raise ValueError(f"z is the state: both have the same channels, not {latent} and {channels}")
        super().__init__(channels, mid_channels, latent, kernel, features)

    def _scale_(self, factor: float) -> None:
        """Nothing."""

    def draw(self, state: Tensor, gaussian: Gaussian, noise: Tensor) -> Tensor:
        """The state plus mu plus sigma * noise, [B, channels, H, W]."""
        return sample(state + gaussian.mean, gaussian.log_sigma, noise)

    def step(self, state: Tensor, h: Tensor, z: Tensor) -> Tensor:  # noqa: ARG002 - z holds the state
        """The next state, which is z."""
        return z
