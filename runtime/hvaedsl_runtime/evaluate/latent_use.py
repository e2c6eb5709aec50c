"""How much a model uses its latents: the KL of its layers, active units, and collapsed layers.

A unit is one channel of z at one spatial position. It is active if the variance over images of (mu_q - mu_p) / sigma_p
exceeds 0.01. Burda et al. (2016) use the variance of the posterior mean under a prior that is N(0, 1) for every image.
Here, the prior depends on the latents above it, so its mean is subtracted first. (For N(0, 1) the two are the same.)

A layer is collapsed if its KL, averaged over images, is below 0.005 nats per image. The KL of a unit is at least half
of ((mu_q - mu_p) / sigma_p)^2, so its mean is at least half of that variance: a collapsed layer has no active unit, no
matter how many units it has. The definition needs only the KL, which every evaluation logs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl.nn.cells import Cell
from hvaedsl.nn.steps import TopDown
from hvaedsl_runtime.distributed import as_float64
from hvaedsl_runtime.evaluate.evaluator import Evaluator
from hvaedsl_runtime.evaluate.observation import DecoderVisit, observe

ACTIVE_VARIANCE = 0.01
COLLAPSED_KL_NATS = ACTIVE_VARIANCE / 2


def is_collapsed(kl_nats: float) -> bool:
    """Whether a layer with this mean KL, in nats per image, is collapsed; False if the KL is NaN."""
    return kl_nats < COLLAPSED_KL_NATS


def collapsed_layers(kl_nats: Sequence[float]) -> list[int]:
    """The numbers of the collapsed layers, from the mean KL of every layer in nats per image."""
    return [layer for layer, kl in enumerate(kl_nats) if is_collapsed(kl)]


@dataclass
class LayerUse:
    """The statistics of a layer over batches: the KL [B] of every batch, and sums over images for every unit.

    `latent_shape` is (latent, height, width). `sums`, both of this shape, are of (mu_q - mu_p) / sigma_p and of its
    square; None for a custom cell that does not provide its Gaussians.
    """

    step: TopDown
    latent_shape: tuple[int, int, int]
    kl_nats: list[Tensor] = field(default_factory=list)
    sums: tuple[Tensor, Tensor] | None = None
    images: int = 0

    def add(self, standardized: Tensor) -> None:
        """Add the images of a batch: (mu_q - mu_p) / sigma_p, float64 [B, latent, height, width]."""
        total, of_squares = standardized.sum(dim=0), (standardized**2).sum(dim=0)
        self.sums = (total, of_squares) if self.sums is None else (self.sums[0] + total, self.sums[1] + of_squares)
        self.images += len(standardized)

    @property
    def units(self) -> int:
        """The number of units: channels times positions."""
        return math.prod(self.latent_shape)

    @property
    def mean_kl_nats(self) -> float:
        """The mean over images, in nats per image."""
        return torch.cat(self.kl_nats).mean().item()

    @property
    def active_units(self) -> int | None:
        """The number of units whose variance over images is above the threshold; None if it is not known.

        The variance is that of these images, without Bessel's correction, so that their KL bounds it.
        """
        if self.sums is None:
            return None
        total, of_squares = self.sums
        variance = (of_squares - total**2 / self.images) / self.images
        return int((variance > ACTIVE_VARIANCE).sum())

    @property
    def is_collapsed(self) -> bool:
        """Whether the layer is collapsed."""
        return is_collapsed(self.mean_kl_nats)

    def to_dict(self) -> dict[str, object]:
        """The statistics by name."""
        kl_nats = self.mean_kl_nats
        return {
            "layer": self.step.layer,
            "block": self.step.block,
            "resolution": self.step.resolution,
            "kl_nats": kl_nats,
            "kl_nats_std": torch.cat(self.kl_nats).std(correction=0).item(),
            "units": self.units,
            "kl_nats_per_unit": kl_nats / self.units,
            "active_units": self.active_units,
            "collapsed": is_collapsed(kl_nats),
        }


def layer_use(model: HierarchicalVAE, evaluator: Evaluator, batches: Iterable[list[int]]) -> list[LayerUse]:
    """Measure every layer of a model on batches of images of a split, given as their indices."""
    layers: dict[int, LayerUse] = {}

    def record(visit: DecoderVisit) -> None:
        if visit.kl_nats is None or visit.activation is None:
            return  # it draws no latent
        layer = layers.setdefault(visit.step.layer, LayerUse(visit.step, _latent_shape(visit)))
        layer.kl_nats.append(as_float64(visit.kl_nats).cpu())
        if isinstance(visit.cell, Cell):
            q = visit.cell.posterior_parameters(visit.before, visit.activation)
            p, _ = visit.cell.prior_parameters(visit.before)
            layer.add((as_float64(q.mean) - as_float64(p.mean)) * torch.exp(-as_float64(p.log_sigma)))

    for batch in batches:
        with observe(model, decoder=record), torch.no_grad():
            model.latents(evaluator.prepared(batch)[0], noise=evaluator.noise(batch))
    return [layers[number] for number in range(len(layers))]


def _latent_shape(visit: DecoderVisit) -> tuple[int, int, int]:
    height, width = visit.before.shape[2:]
    return visit.step.latent, height, width
