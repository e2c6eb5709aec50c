"""Random numbers that are functions of seeds and names, never of what was drawn before.

Training noise depends on (seed, step, layer), so a resumed run needs no generator state; evaluation noise depends on
(seed, image, layer), so a result depends neither on the batch size nor on the number of processes. Draws are made on
the model's device; a CPU and a GPU give different numbers for the same seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def mixed_seed(seed: int, *names: int | str) -> int:
    """A seed of 64 bits for a purpose: a hash of `seed` and what the numbers are for.

    Hashed, because torch's CPU generator keeps the low 32 bits of a seed only: step and layer must all reach those.
    """
    key = repr((seed, *names)).encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little")


def seeded_generator(device: torch.device, seed: int, *names: int | str) -> torch.Generator:
    """A generator on `device`, at the start of the stream that (seed, names) names."""
    return torch.Generator(device).manual_seed(mixed_seed(seed, *names))


@dataclass(frozen=True)
class StepNoise:
    """The noise of one training step, for one process out of `world_size`.

    The numbers of the global batch are drawn, and the process takes the rows of its own images: several processes see
    together exactly what one process with the whole batch sees.
    """

    seed: int
    step: int
    rank: int
    world_size: int
    device: torch.device
    dtype: torch.dtype

    def __call__(self, layer: int, shape: tuple[int, ...]) -> Tensor:
        """Standard normals of `shape` [B, C, H, W] for a stochastic layer, B being this process's images."""
        generator = seeded_generator(self.device, self.seed, "noise", self.step, layer)
        draws = torch.randn(self._global(shape), generator=generator, device=self.device, dtype=self.dtype)
        return self._own_rows(draws)

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """Uniform draws in [0, 1) for the binarisation of this process's images, of `shape` [B, H, W, C]."""
        generator = seeded_generator(self.device, self.seed, "binarisation", self.step)
        draws = torch.rand(self._global(shape), generator=generator, device=self.device, dtype=self.dtype)
        return self._own_rows(draws)

    def _global(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.world_size * shape[0], *shape[1:])

    def _own_rows(self, draws: Tensor) -> Tensor:
        return draws.chunk(self.world_size)[self.rank]


@dataclass(frozen=True)
class ImageNoise:
    """Noise for given images: each image's depends on (seed, purpose, its index, layer) alone.

    It costs one call of the generator per image and layer, some ten microseconds each: 4 seconds for 10,000 images
    and 43 layers, little beside the forward passes.
    """

    seed: int
    purpose: str
    indices: Sequence[int]
    device: torch.device
    dtype: torch.dtype

    def __call__(self, layer: int, shape: tuple[int, ...]) -> Tensor:
        """Standard normals of `shape` [B, C, H, W], B being the number of indices (else ValueError)."""
        draws = torch.empty(tuple(shape), device=self.device, dtype=self.dtype)
        for row, index in zip(draws, self.indices, strict=True):
            row.normal_(generator=seeded_generator(self.device, self.seed, self.purpose, index, layer))
        return draws
