from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hvaedsl_runtime.noise import ImageNoise, StepNoise, mixed_seed

CPU = torch.device("cpu")


def step_noise(*, seed: int = 0, step: int = 5, rank: int = 0, world_size: int = 1) -> StepNoise:
    return StepNoise(seed, step, rank, world_size, CPU, torch.float64)


def image_noise(indices: list[int], *, seed: int = 0, purpose: str = "test", layer: int = 2) -> Tensor:
    return ImageNoise(seed, purpose, indices, CPU, torch.float32)(layer, (len(indices), 3, 4, 4))


def test_processes_share_out_what_one_process_draws() -> None:
    whole, parts = step_noise(), [step_noise(rank=rank, world_size=3) for rank in range(3)]
    assert torch.equal(whole(1, (6, 2, 4, 4)), torch.cat([part(1, (2, 2, 4, 4)) for part in parts]))
    assert torch.equal(whole.uniform((6, 8, 8, 1)), torch.cat([part.uniform((2, 8, 8, 1)) for part in parts]))


def test_draws_depend_on_seed_step_and_layer_and_not_on_earlier_draws() -> None:
    shape = (2, 3, 4, 4)
    noise = step_noise()
    first = noise(0, shape)
    others = [noise(1, shape), step_noise(step=6)(0, shape), step_noise(seed=1)(0, shape)]
    assert torch.equal(noise(0, shape), first)
    assert not any(torch.equal(other, first) for other in others)


def test_draws_are_standard_normal_and_uniform() -> None:
    normal = step_noise()(0, (64, 4, 16, 16))
    uniform = step_noise().uniform((64, 32, 32, 1))
    assert normal.dtype == torch.float64
    assert abs(normal.mean().item()) < 0.01
    assert abs(normal.std().item() - 1) < 0.01
    assert 0 <= uniform.min().item() < uniform.max().item() < 1
    assert abs(uniform.mean().item() - 0.5) < 0.01


def test_neighbouring_layers_and_steps_are_uncorrelated() -> None:
    shape = (64, 4, 16, 16)
    draws = torch.stack([step_noise(step=s)(layer, shape).ravel() for s in (0, 1) for layer in (0, 1)])
    correlation = torch.corrcoef(draws) - torch.eye(4)
    assert correlation.abs().max().item() < 0.02


def test_an_image_has_its_noise_in_every_batch() -> None:
    together = image_noise([7, 8, 9])
    assert torch.equal(together[2:], image_noise([9]))
    assert torch.equal(together[:2].flip(0), image_noise([8, 7]))
    others = [image_noise([7], seed=1), image_noise([7], purpose="validation"), image_noise([7], layer=3)]
    assert not any(torch.equal(other, together[:1]) for other in others)


def test_image_noise_wants_one_row_for_each_image() -> None:
    with pytest.raises(ValueError, match="zip"):
        ImageNoise(0, "test", [1, 2], CPU, torch.float32)(0, (3, 1, 2, 2))


def test_seeds_that_agree_in_32_bits_differ_after_mixing() -> None:
    assert mixed_seed(1, "x") % 2**32 != mixed_seed(1 + 2**32, "x") % 2**32
    assert 0 <= mixed_seed(10**30, "x", 3) < 2**64
