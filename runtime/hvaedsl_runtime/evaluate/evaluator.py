"""The likelihood of a whole split, exactly once per image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hvaedsl.lowering.module import Noise, Output
from hvaedsl_runtime.data import ImageSet, Preparation, fixed_uniform
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.evaluate.units import NATS_PER_BIT
from hvaedsl_runtime.noise import ImageNoise


class Model(Protocol):
    """What an evaluation asks of a model; a HierarchicalVAE has it."""

    training: bool

    @property
    def stochastic_depth(self) -> int:
        """How many stochastic layers there are."""
        ...

    def train(self, mode: bool = True) -> object:
        """Take the model into training, or out of it."""
        ...

    def __call__(self, x: Tensor, target: Tensor, noise: Noise) -> Output:
        """The loss of images x [B, H, W, C] with targets [B, H, W, C]."""
        ...


@dataclass(frozen=True)
class LikelihoodBound:
    """The mean over images of the upper bound on -log p: distortion + rate, in nats per dimension.

    `kl_nats` is the mean over images of each stochastic layer's KL, whose sum is the rate in nats per image.
    """

    images: int
    dimensions: int
    distortion_nats_per_dim: float
    rate_nats_per_dim: float
    kl_nats: tuple[float, ...]

    @property
    def loss_nats_per_dim(self) -> float:
        """Distortion + rate."""
        return self.distortion_nats_per_dim + self.rate_nats_per_dim

    @property
    def bits_per_dim(self) -> float:
        """The bound in bits per dimension."""
        return self.loss_nats_per_dim / NATS_PER_BIT

    @property
    def nats_per_image(self) -> float:
        """The bound in nats per image."""
        return self.loss_nats_per_dim * self.dimensions

    def to_dict(self) -> dict[str, int | float | list[float]]:
        """Every figure by name."""
        return {
            "images": self.images,
            "loss_nats_per_dim": self.loss_nats_per_dim,
            "distortion_nats_per_dim": self.distortion_nats_per_dim,
            "rate_nats_per_dim": self.rate_nats_per_dim,
            "bits_per_dim": self.bits_per_dim,
            "nats_per_image": self.nats_per_image,
            "kl_nats": list(self.kl_nats),
        }


@dataclass(frozen=True)
class Evaluator:
    """Evaluates models on the images of one split.

    Every image counts once, those of a short last batch too, and a likelihood that is not finite is averaged as it
    is. `noise_seed` and an image's index in the split fix its noise; `split_seed`, the split and the index fix how it
    is binarised, for every run on the data set alike. So the result depends on neither the batch size nor the number of
    processes, up to the rounding of the model's own arithmetic. The model runs in the precision of its weights, never
    under autocast, whatever the precision of training.
    """

    images: ImageSet
    preparation: Preparation
    noise_seed: int
    split_seed: int
    batch_size: int
    processes: Processes
    dtype: torch.dtype

    def prepared(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        """The model's input and the target of the images at these indices, both [B, H, W, C]."""
        device = self.processes.device
        pixels = torch.from_numpy(self.images.batch(indices)).to(device)
        uniform = None
        if self.preparation.needs_uniform:
            uniform = fixed_uniform(self.split_seed, self.images.split, indices, self.images.shape).to(device)
        return self.preparation(pixels, uniform=uniform, dtype=self.dtype)

    def noise(self, indices: list[int]) -> ImageNoise:
        """The noise of the images at these indices."""
        return ImageNoise(self.noise_seed, self.images.split, indices, self.processes.device, self.dtype)

    @torch.no_grad()
    def __call__(self, model: Model, advance: Callable[[int], None] | None = None) -> LikelihoodBound:
        """The bound of `model` on the whole split, the images divided among the processes.

        `advance` is told after each batch how many images of this process are done.
        """
        count = len(self.images)
        # One place per image, so that the sum has one order however the images are divided.
        per_image = torch.zeros((2 + model.stochastic_depth, count), dtype=torch.float64, device=self.processes.device)
        own = range(self.processes.rank, count, self.processes.world_size)
        was_training = model.training
        model.train(False)
        for start in range(0, len(own), self.batch_size):
            indices = list(own[start : start + self.batch_size])
            out = model(*self.prepared(indices), self.noise(indices))
            per_image[0, indices] = out.distortion_nats_per_dim.double()
            per_image[1, indices] = out.rate_nats_per_dim.double()
            per_image[2:, indices] = out.kl_nats.double()
            if advance is not None:
                advance(len(indices))
        model.train(was_training)
        distortion, rate, *kl_nats = self.processes.sum(per_image).mean(dim=1).tolist()
        height, width, channels = self.images.shape
        return LikelihoodBound(count, height * width * channels, distortion, rate, tuple(kl_nats))
