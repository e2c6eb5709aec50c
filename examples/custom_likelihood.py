"""A custom likelihood with a separate probability for each level of a pixel. See custom_parts.hvae."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from hvaedsl.nn.likelihoods import Likelihood


class Categorical(Likelihood):
    """A softmax over the levels, for each channel of each pixel."""

    gives = "mass"  # of levels; of real values it would be a density

    def __init__(self, width: int, channels: int, levels: int) -> None:
        super().__init__(width, outputs=channels * levels, channels=channels)
        self.levels = levels

    def logits(self, state: Tensor) -> Tensor:
        """Compute logits, [B, width, H, W] -> [B, H, W, C, levels]."""
        raw = self.outputs(state)
        return raw.reshape(*raw.shape[:-1], self.channels, self.levels)

    def nll_nats_per_dim(self, state: Tensor, target: Tensor) -> Tensor:
        """Return -log p in nats per dimension, [B], of targets in [-1, 1], [B, H, W, C]."""
        levels = ((target + 1) / 2 * (self.levels - 1)).round().long()
        nll = F.cross_entropy(self.logits(state).movedim(-1, 1), levels, reduction="none")
        return nll.mean(dim=(1, 2, 3))

    def sample(self, state: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw levels from the softmax, uint8 [B, H, W, C]."""
        probabilities = self.logits(state).softmax(dim=-1)
        drawn = torch.multinomial(probabilities.flatten(0, -2), 1, generator=generator)
        return drawn.reshape(probabilities.shape[:-1]).to(torch.uint8)

    def mean(self, state: Tensor) -> Tensor:
        """Return the expected pixel on the scale of the targets, [B, H, W, C]."""
        values = torch.linspace(-1, 1, self.levels, dtype=state.dtype, device=state.device)
        return self.logits(state).softmax(dim=-1) @ values
