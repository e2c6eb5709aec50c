"""The training noise of version 1, with which runs of earlier formats began: a stream for each layer of a batch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hvaedsl_runtime.noise import StepNoise, seeded_generator


def use_first_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the numbers of version 1, for one process that computes the whole batch at once."""

    def normals(self: StepNoise, _: object) -> Callable[[int, tuple[int, ...]], Tensor]:
        def draw(layer: int, shape: tuple[int, ...]) -> Tensor:
            generator = seeded_generator(self.device, self.seed, "noise", self.step, layer)
            return torch.randn(shape, generator=generator, device=self.device, dtype=self.dtype)

        return draw

    def uniform(self: StepNoise, shape: tuple[int, ...]) -> Tensor:
        generator = seeded_generator(self.device, self.seed, "binarisation", self.step)
        return torch.rand(shape, generator=generator, device=self.device, dtype=self.dtype)

    monkeypatch.setattr(StepNoise, "normals", normals)
    monkeypatch.setattr(StepNoise, "uniform", uniform)
