"""Theorem 5: the first stochastic layer has nothing before it, so its prior is one distribution for all images.

Falck, Williams et al. 2022, Theorem 5, as far as it can be seen in a model: the top-down state begins as a learned
constant, so the prior's network gives the same p(z1) (and h) for every image, while later layers see z1.
The check is made in a forward pass over images, on what the prior's network really gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from hvaedsl.lowering.module import HierarchicalVAE, Noise


class PriorSpread:
    """How far apart the priors of different images are, layer by layer: the largest |p_i - p_1| that was seen."""

    def __init__(self, depth: int) -> None:
        self.spreads = [0.0] * depth
        self._first: list[Tensor | None] = [None] * depth
        self._layer = 0

    @contextmanager
    def watching(self, model: HierarchicalVAE) -> Iterator[None]:
        """Within, one forward pass is looked at; its layers come in the decoder's order, each once."""
        blocks = {model.decoder.block(step) for step in model.plan.decoder_steps}
        hooks = [block.prior.register_forward_hook(self._see) for block in blocks]
        self._layer = 0
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _see(self, _: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        first = self._first[self._layer]
        if first is None:
            first = self._first[self._layer] = output[0].clone()
        spread = float((output - first).abs().max())
        self.spreads[self._layer] = max(self.spreads[self._layer], spread)
        self._layer += 1


@torch.no_grad()
def prior_spreads(
    model: HierarchicalVAE, batches: Iterable[tuple[Tensor, Tensor, Noise]]
) -> tuple[list[float], Tensor]:
    """The spread of every layer's prior over all images, and KL(q || p) in nats, [depth, N].

    Batches are (x, target, noise), both [B, H, W, C]; means, log sigmas and h all count for the spread.
    """
    spread, kls_nats = PriorSpread(model.stochastic_depth), []
    for x, target, noise in batches:
        with spread.watching(model):
            kls_nats.append(model(x, target, noise).kl_nats)
    return spread.spreads, torch.cat(kls_nats, dim=1)
