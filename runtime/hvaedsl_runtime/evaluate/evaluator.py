"""Evaluate the likelihood of a whole split, every image exactly once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hvaedsl.lowering.module import Noise, Output
from hvaedsl_runtime.data import AnyPreparation, ImageSet, fixed_uniform
from hvaedsl_runtime.distributed import Processes, as_float64
from hvaedsl_runtime.evaluate.units import DENSITY, NATS_PER_BIT, Gives, gives_of, recorded
from hvaedsl_runtime.noise import LatentShape, LayerNoise, image_noise


class Model(Protocol):
    """The methods of a model that an evaluation calls; HierarchicalVAE has them."""

    training: bool

    @property
    def stochastic_depth(self) -> int:
        """Number of stochastic layers."""
        ...

    def train(self, mode: bool = True) -> object:
        """Set training or evaluation mode."""
        ...

    def __call__(self, x: Tensor, target: Tensor, noise: Noise) -> Output:
        """Compute the loss of images x [B, H, W, C] with targets [B, H, W, C]."""
        ...


@dataclass(frozen=True)
class LikelihoodBound:
    """The upper bound on -log p, distortion + rate, in nats per dimension, averaged over images.

    `kl_nats` is each stochastic layer's KL in nats per image, averaged over images; the sum is the rate. `gives` says
    whether p is the mass of levels or a density, as the likelihood states it. The density of real values is that of the
    values in the file: it depends on their unit.
    """

    images: int
    dimensions: int
    distortion_nats_per_dim: float
    rate_nats_per_dim: float
    kl_nats: tuple[float, ...]
    gives: Gives = "mass"

    @property
    def loss_nats_per_dim(self) -> float:
        """Distortion + rate, in nats per dimension."""
        return self.distortion_nats_per_dim + self.rate_nats_per_dim

    @property
    def bits_per_dim(self) -> float:
        """The bound in bits per dimension."""
        return self.loss_nats_per_dim / NATS_PER_BIT

    @property
    def nats_per_image(self) -> float:
        """The bound in nats per image."""
        return self.loss_nats_per_dim * self.dimensions

    def to_dict(self) -> dict[str, int | float | str | list[float]]:
        """Return every value by name, as JSON has it; `gives` only if it is no mass."""
        return {
            **recorded(self.gives),
            "images": self.images,
            "loss_nats_per_dim": self.loss_nats_per_dim,
            "distortion_nats_per_dim": self.distortion_nats_per_dim,
            "rate_nats_per_dim": self.rate_nats_per_dim,
            "bits_per_dim": self.bits_per_dim,
            "nats_per_image": self.nats_per_image,
            **({DENSITY: self.loss_nats_per_dim} if self.gives == "density" else {}),
            "kl_nats": list(self.kl_nats),
        }


@dataclass(frozen=True)
class Evaluator:
    """Evaluates models on the images of one split.

    Every image counts once, including those of a short last batch, and a likelihood that is not finite is averaged
    unchanged. An image's noise is a function of `noise_seed` and its index in the split; its binarization is a function
    of `split_seed`, the split and the index, and so the same for every run on the dataset. The result therefore depends
    on neither the batch size nor the number of processes, up to rounding. The model runs in the precision of its
    weights, never under autocast, whatever the precision of training.
    """

    images: ImageSet
    preparation: AnyPreparation
    noise_seed: int
    split_seed: int
    batch_size: int
    processes: Processes
    dtype: torch.dtype
    layers: Sequence[LatentShape]  # of the latents of the models

    def prepared(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        """Return the input and the target of the images at `indices` of the split, both [B, H, W, C]."""
        device = self.processes.device
        pixels = self.preparation.tensor(self.images.batch(indices)).to(device)
        uniform = None
        if self.preparation.needs_uniform:
            uniform = fixed_uniform(self.split_seed, self.images.split, indices, self.images.shape).to(device)
        return self.preparation(pixels, uniform=uniform, dtype=self.dtype)

    def noise(self, indices: Sequence[int]) -> LayerNoise:
        """Return the noise of the images at `indices` of the split."""
        return self.noise_for(self.images.split, indices, self.noise_seed)

    def noise_for(self, purpose: str, indices: Sequence[int], seed: int) -> LayerNoise:
        """Return noise for a purpose of its own, which depends on the seed and the indices alone."""
        return image_noise(seed, purpose, indices, self.layers, self.processes.device, self.dtype)

    @torch.inference_mode()
    def __call__(self, model: Model, advance: Callable[[int], None] | None = None) -> LikelihoodBound:
        """Compute the bound of `model` on the whole split; the images are divided among the processes.

        `advance` is called after each batch with its number of images. Raises InvalidData, in every process, for an
        image that one of them cannot read.
        """
        count = len(self.images)
        # A column for each image, so that the order of the sum does not depend on the division among processes.
        per_image = as_float64(torch.zeros((2 + model.stochastic_depth, count), device=self.processes.device))
        indices_of_rank = range(self.processes.rank, count, self.processes.world_size)

        was_training = model.training
        model.train(False)
        with self.processes.failing_together():
            for start in range(0, len(indices_of_rank), self.batch_size):
                self.processes.beat(f"evaluating {self.images.split} images")
                indices = list(indices_of_rank[start : start + self.batch_size])
                out = model(*self.prepared(indices), self.noise(indices))
                per_image[0, indices] = as_float64(out.distortion_nats_per_dim)
                per_image[1, indices] = as_float64(out.rate_nats_per_dim)
                per_image[2:, indices] = as_float64(out.kl_nats)
                if advance is not None:
                    advance(len(indices))
        model.train(was_training)

        # The other processes' columns are 0 here, so the sum over processes fills in every image.
        distortion, rate, *kl_nats = self.processes.sum(per_image).mean(dim=1).tolist()
        distortion += self.preparation.unit_nats_per_dim
        height, width, channels = self.images.shape
        return LikelihoodBound(count, height * width * channels, distortion, rate, tuple(kl_nats), gives_of(model))
