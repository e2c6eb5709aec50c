"""The interface of custom cells and likelihoods. Subclassing `Cell` or `Likelihood` provides most of it.

Shape legend: x the state and a the encoder activation, [B, channels, R, R]; z the latent, [B, latent, R, R].
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class TopDownCell(Protocol):
    """A torch module, built as `Name(channels, mid_channels, latent, kernel)`.

    If the spec has Fourier features inside cells, a fifth argument `features` (`hvaedsl.nn.fourier`) says which.
    A method `scale_for_depth_(applications)`, if there is one, is called once for each set of weights.

    A cell that takes `latent` 0 has a class attribute `deterministic`: the class of a module that takes its place
    there. It is built as `Name(channels, mid_channels, kernel)`, with `features` as well if the spec has them inside
    cells; called with the state, it gives the next state.
    """

    def __call__(self, state: Tensor, activation: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Z from the posterior: the next state, z, and KL(q || p) in nats per image, [B].

        `noise` is standard normal, of the shape of z.
        """
        ...

    def generate(self, state: Tensor, noise: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """Z from the prior, its sigma multiplied by `temperature`: the next state and z."""
        ...

    def generate_from(self, state: Tensor, z: Tensor) -> Tensor:
        """The next state with a given z."""
        ...


class PixelLikelihood(Protocol):
    """A torch module, built as `Name(width, channels, levels)`: channels of the state and of the image, pixel levels.

    It reads the final top-down state, [B, width, H, W]. Targets are [B, H, W, C] on the scale from -1 to 1, or in
    {0, 1} where `data.binarize` is set. A class attribute `gives`, "mass" or "density", says what it computes; without
    it, figures are marked as not stated and have no baseline beside them. Where `data.values` is `real`, `gives` must
    be "density", targets are standardized, and `levels` is 0.
    """

    def nll_nats_per_dim(self, state: Tensor, target: Tensor) -> Tensor:
        """The distortion -log p(target | state) in nats, the mean over H * W * C of each image; [B]."""
        ...

    def sample(self, state: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Images drawn from the likelihood, [B, H, W, C]: levels from 0, or 0 and 255 for binary images.

        They are uint8, or int32 if there are more than 256 levels; of real values, float32 on the scale of the targets.
        """
        ...

    def mean(self, state: Tensor) -> Tensor:
        """The central image, float [B, H, W, C], on the scale of the targets."""
        ...
