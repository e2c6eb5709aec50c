"""The non-residual cell."""

from __future__ import annotations

from torch import Tensor

from hvaedsl.nn.cells.vdvae import VDVAECell
from hvaedsl.nn.precision import at_least_float32


class NonResidualCell(VDVAECell):
    """The cell whose next state is made of z alone (the ablation of Falck, Williams et al. 2022, Table G.12)::

        q(z | x, a) = posterior([x, a]);   p(z | x), h = prior(x);   x' = resnet(z_proj(z))

    h is computed and not used, so that the parameters are those of VDVAE's cell; its rows of the prior's last
    convolution get a gradient of zero.
    """

    def step(self, state: Tensor, h: Tensor, z: Tensor) -> Tensor:  # noqa: ARG002 - that is the cell
        """The next state, resnet(z_proj(z)), in float32 or wider as every decoder state."""
        following: Tensor = self.resnet(at_least_float32(self.projected(z)))
        return following
