"""Theorem 5: no latent precedes the first stochastic layer, so its prior is the same distribution for all images.

Falck, Williams et al. 2022, Theorem 5, as far as it applies to a discrete model: the top-down state starts as a learned
constant, so the prior network outputs the same p(z1) (and h) for every image, while later layers depend on z1.
The check compares the outputs of the prior networks in a forward pass over images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from hvaedsl.lowering.module import HierarchicalVAE, Noise
from hvaedsl_runtime.model import plain_cells


class PriorSpread:
    """How far apart the priors of different images are, layer by layer: the largest |p_i - p_1| over images i."""

    def __init__(self, depth: int) -> None:
        self.spreads = [0.0] * depth
        self._first: list[Tensor | None] = [None] * depth
        self._layer = 0

    @contextmanager
    def recording(self, model: HierarchicalVAE) -> Iterator[None]:
        """Record one forward pass inside the block; the layers run in the order of the decoder, each once."""
        blocks = {model.decoder.block(step) for step in model.plan.layers}
        hooks = [block.prior.register_forward_hook(self._record) for block in blocks]
        self._layer = 0
        try:
            with plain_cells(model):
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def _record(self, _: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
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

    Batches are (x, target, noise), x and target [B, H, W, C]. The spread is over means, log sigmas and h.
    """
    spread, kls_nats = PriorSpread(model.stochastic_depth), []
    for x, target, noise in batches:
        with spread.recording(model):
            kls_nats.append(model(x, target, noise).kl_nats)
    return spread.spreads, torch.cat(kls_nats, dim=1)
