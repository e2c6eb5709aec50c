"""Random numbers that are functions of seeds and names, never of earlier draws.

Training noise depends on (seed, step, image of the step), so a resumed run needs no generator state and a step may be
split in any way; evaluation noise depends on (seed, image), so a result depends neither on the batch size nor on the
number of processes. Numbers are drawn on the model's device; a CPU and a GPU give different ones for the same seed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

# The version of training noise, which is part of a run's state. In version 1, a layer had a stream for the whole batch.
NOISE_VERSION = 2
# `normal_` treats the last 16 values of a tensor apart unless their number is a multiple of this.
ROW_MULTIPLE = 16

LatentShape = tuple[int, int, int]  # channels, height, width


def mixed_seed(seed: int, *names: int | str) -> int:
    """A 64-bit seed for a purpose: a hash of `seed` and the names of the purpose.

    Hashed, because torch's CPU generator keeps only the low 32 bits of a seed, which step and layer must all affect.
    """
    key = repr((seed, *names)).encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little")


def seeded_generator(device: torch.device, seed: int, *names: int | str) -> torch.Generator:
    """A generator on `device`, at the start of the stream of (seed, names)."""
    return torch.Generator(device).manual_seed(mixed_seed(seed, *names))


@dataclass(frozen=True)
class StepNoise:
    """The random numbers of a training step for some of its images, with one stream for each image.

    `images` are indices in the batch of the whole step. An image therefore has the same numbers in every process and
    every micro-batch.
    """

    seed: int
    step: int
    images: Sequence[int]
    device: torch.device
    dtype: torch.dtype

    def normals(self, layers: Sequence[LatentShape]) -> LayerNoise:
        """Standard normals for the stochastic layers of a model, whose latents have these shapes."""
        return normals(self._generators("normals"), layers, self.device, self.dtype)

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """Uniform draws in [0, 1) of `shape` [B, H, W, C], for binarization. Raises ValueError unless B images."""
        draws = torch.empty(tuple(shape), device=self.device, dtype=self.dtype)
        for image, generator in zip(draws, self._generators("binarization"), strict=True):
            image.uniform_(generator=generator)
        return draws

    def _generators(self, purpose: str) -> list[torch.Generator]:
        return [seeded_generator(self.device, self.seed, purpose, self.step, image) for image in self.images]


class LayerNoise:
    """The noise of some images for every layer, in one buffer [B, values]: a layer's is a slice of each row."""

    def __init__(self, buffer: Tensor, layers: Sequence[LatentShape]) -> None:
        self.buffer = buffer
        self.layers = layers
        self._starts = list(accumulate(map(math.prod, layers), initial=0))

    def __call__(self, layer: int, shape: tuple[int, ...]) -> Tensor:
        """The noise of a layer, [B, C, H, W]. Raises ValueError for another shape than that of its latents."""
        if tuple(shape) != (len(self.buffer), *self.layers[layer]):
            drawn = f"{len(self.buffer)} images of {self.layers[layer]}"
            raise ValueError(f"layer {layer} has noise for {drawn}, not {shape}")
        return self.buffer[:, self._starts[layer] : self._starts[layer + 1]].view(shape)


def image_noise(
    seed: int,
    purpose: str,
    indices: Sequence[int],
    layers: Sequence[LatentShape],
    device: torch.device,
    dtype: torch.dtype,
) -> LayerNoise:
    """Standard normals for given images, where those of an image depend on (seed, purpose, its index) alone.

    `layers` are the shapes of a model's latents.
    """
    return normals([seeded_generator(device, seed, purpose, index) for index in indices], layers, device, dtype)


def normals(
    generators: Sequence[torch.Generator], layers: Sequence[LatentShape], device: torch.device, dtype: torch.dtype
) -> LayerNoise:
    """Standard normals for latents of these shapes, one draw for each image, from its generator."""
    length = sum(map(math.prod, layers))
    padded = -(-length // ROW_MULTIPLE) * ROW_MULTIPLE
    buffer = torch.empty((len(generators), padded), device=device, dtype=dtype)
    for row, generator in zip(buffer, generators, strict=True):
        row.normal_(generator=generator)
    return LayerNoise(buffer, layers)
