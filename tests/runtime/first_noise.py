"""The first noise, with which runs of earlier formats began: in training a stream for each layer of a batch.

In an evaluation, it was one for each image and layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from hvaedsl.lowering.module import Noise
from hvaedsl_runtime.evaluate.evaluator import Evaluator
from hvaedsl_runtime.noise import StepNoise, seeded_generator


def use_first_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the first numbers, for one process that computes the whole batch at once."""

    def normals(self: StepNoise, _: object) -> Callable[[int, tuple[int, ...]], Tensor]:
        def draw(layer: int, shape: tuple[int, ...]) -> Tensor:
            generator = seeded_generator(self.device, self.seed, "noise", self.step, layer)
            return torch.randn(shape, generator=generator, device=self.device, dtype=self.dtype)

        return draw

    def uniform(self: StepNoise, shape: tuple[int, ...]) -> Tensor:
        generator = seeded_generator(self.device, self.seed, "binarisation", self.step)
        return torch.rand(shape, generator=generator, device=self.device, dtype=self.dtype)

    def noise_for(self: Evaluator, purpose: str, indices: Sequence[int], seed: int) -> Noise:
        def draw(layer: int, shape: tuple[int, ...]) -> Tensor:
            drawn = torch.empty(shape, device=self.processes.device, dtype=self.dtype)
            for row, index in zip(drawn, indices, strict=True):
                row.normal_(generator=seeded_generator(drawn.device, seed, purpose, index, layer))
            return drawn

        return draw

    monkeypatch.setattr(StepNoise, "normals", normals)
    monkeypatch.setattr(Evaluator, "noise_for", noise_for)
    monkeypatch.setattr(StepNoise, "uniform", uniform)
