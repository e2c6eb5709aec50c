"""The likelihood of binarized images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from hvaedsl.nn.likelihoods.base import Likelihood


class Bernoulli(Likelihood):
    """One logit per pixel: the MNIST head (Falck, Williams et al. 2022, Table G.6: a 1x1 convolution width -> 1)."""

    gives = "mass"

    def __init__(self, width: int) -> None:
        super().__init__(width, outputs=1, channels=1)

    def nll_nats_per_dim(self, state: Tensor, target: Tensor) -> Tensor:
        """The distortion of a target [B, H, W, 1] in {0, 1}: -log p in nats, the mean over H * W; [B].

        Raises ValueError for a target of another shape.
        """
        logits = self.outputs(state)
        self.check_target(target, logits)
        nll = F.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), reduction="none")
        return nll.mean(dim=(1, 2, 3))

    def sample(self, state: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Pixels drawn 0 or 1 and shown as 0 or 255, uint8 [B, H, W, 1]."""
        drawn = torch.bernoulli(self.mean(state), generator=generator)
        return drawn.to(torch.uint8) * 255

    def mean(self, state: Tensor) -> Tensor:
        """The probability of a 1, in [0, 1], [B, H, W, 1]."""
        return torch.sigmoid(self.outputs(state))
