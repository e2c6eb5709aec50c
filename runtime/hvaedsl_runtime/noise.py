"""Random numbers that are functions of seeds and names, never of earlier draws.

Training noise depends on (seed, step, layer), so a resumed run needs no generator state; evaluation noise depends on
(seed, image, layer), so a result depends neither on the batch size nor on the number of processes. Numbers are drawn on
the model's device; a CPU and a GPU give different ones for the same seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


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
    """The noise of one training step, for one of `world_size` processes.

    Each process draws the numbers of the global batch and keeps the rows of its own images. Together, several processes
    get exactly the numbers of one process with the whole batch.
    """

    seed: int
    step: int
    rank: int
    world_size: int
    device: torch.device
    dtype: torch.dtype

    def __call__(self, layer: int, shape: tuple[int, ...]) -> Tensor:
        """Standard normals of `shape` [B, C, H, W] for a stochastic layer, where B counts this process's images."""
        generator = seeded_generator(self.device, self.seed, "noise", self.step, layer)
        draws = torch.randn(self._global(shape), generator=generator, device=self.device, dtype=self.dtype)
        return self._own_rows(draws)

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """Uniform draws in [0, 1) of `shape` [B, H, W, C], for the binarization of this process's images."""
        # The names are hashed, so another spelling would give other numbers.
        generator = seeded_generator(self.device, self.seed, "binarisation", self.step)
        draws = torch.rand(self._global(shape), generator=generator, device=self.device, dtype=self.dtype)
        return self._own_rows(draws)

    def _global(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.world_size * shape[0], *shape[1:])

    def _own_rows(self, draws: Tensor) -> Tensor:
        return draws.chunk(self.world_size)[self.rank]


@dataclass(frozen=True)
class ImageNoise:
    """Noise for given images, where that of an image depends on (seed, purpose, its index, layer) alone.

    It costs one call of the generator per image and layer, about 10 microseconds each: 4 seconds for 10,000 images
    and 43 layers, little compared with the forward passes.
    """

    seed: int
    purpose: str
    indices: Sequence[int]
    device: torch.device
    dtype: torch.dtype

    def __call__(self, layer: int, shape: tuple[int, ...]) -> Tensor:
        """Standard normals of `shape` [B, C, H, W]. Raises ValueError unless B is the number of indices."""
        draws = torch.empty(tuple(shape), device=self.device, dtype=self.dtype)
        for row, index in zip(draws, self.indices, strict=True):
            row.normal_(generator=seeded_generator(self.device, self.seed, self.purpose, index, layer))
        return draws
