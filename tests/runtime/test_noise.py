from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from hvaedsl_runtime.noise import StepNoise, image_noise, mixed_seed

CPU = torch.device("cpu")


LAYERS = ((2, 1, 1), (4, 16, 16), (3, 4, 4))


def step_noise(images: Sequence[int] = range(64), *, seed: int = 0, step: int = 5) -> StepNoise:
    return StepNoise(seed, step, images, CPU, torch.float64)


def layer(number: int, noise: StepNoise) -> Tensor:
    return noise.normals(LAYERS)(number, (len(noise.images), *LAYERS[number]))


def of_images(indices: list[int], *, seed: int = 0, purpose: str = "test", layer: int = 2) -> Tensor:
    noise = image_noise(seed, purpose, indices, LAYERS, CPU, torch.float32)
    return noise(layer, (len(indices), *LAYERS[layer]))


@pytest.mark.parametrize("parts", [[range(3), range(3, 6)], [[0], [1], [2], [3], [4], [5]], [[5, 1], [0, 2, 3, 4]]])
def test_an_image_of_a_step_has_its_numbers_in_every_split(parts: list[Sequence[int]]) -> None:
    order = [image for part in parts for image in part]
    shape = (8, 8, 1)
    for number in range(len(LAYERS)):
        split = torch.cat([layer(number, step_noise(part)) for part in parts])
        assert torch.equal(layer(number, step_noise(range(6)))[order], split)
    split = torch.cat([step_noise(part).uniform((len(part), *shape)) for part in parts])
    assert torch.equal(step_noise(range(6)).uniform((6, *shape))[order], split)


def test_draws_depend_on_seed_step_and_image_and_not_on_earlier_draws() -> None:
    noise = step_noise([0, 1])
    first = layer(1, noise)
    others = [step_noise([0, 1], step=6), step_noise([0, 1], seed=1), step_noise([2, 3])]
    assert torch.equal(layer(1, noise), first)
    assert not any(torch.equal(layer(1, other), first) for other in others)
    assert not torch.equal(first[0], first[1])


def test_draws_are_standard_normal_and_uniform() -> None:
    normal = layer(1, step_noise())
    uniform = step_noise().uniform((64, 32, 32, 1))
    assert normal.dtype == torch.float64
    assert abs(normal.mean().item()) < 0.01
    assert abs(normal.std().item() - 1) < 0.01
    assert 0 <= uniform.min().item() < uniform.max().item() < 1
    assert abs(uniform.mean().item() - 0.5) < 0.01


def test_neighboring_layers_images_and_steps_are_uncorrelated() -> None:
    layers, shape = ((4, 16, 16), (4, 16, 16)), (64, 4, 16, 16)
    noises = [step_noise(step=step).normals(layers) for step in (0, 1)]
    draws = torch.stack([noise(number, shape).ravel() for noise in noises for number in (0, 1)])
    draws = torch.cat((draws, draws[:1].view(shape).roll(1, 0).reshape(1, -1)))
    correlation = torch.corrcoef(draws) - torch.eye(5)
    assert correlation.abs().max().item() < 0.02


def test_rows_are_as_long_as_the_generator_needs() -> None:
    """`normal_` draws the last 16 values in another way unless the length is a multiple of 16: 834 values are 848."""
    noise = step_noise(range(3)).normals(LAYERS)
    assert noise.buffer.shape == (3, -(-sum(map(math.prod, LAYERS)) // 16) * 16)
    longer = step_noise(range(3)).normals((*LAYERS, (1, 40, 40)))
    for number, shape in enumerate(LAYERS):
        assert torch.equal(noise(number, (3, *shape)), longer(number, (3, *shape)))


def test_a_layer_with_another_latent_is_refused() -> None:
    with pytest.raises(ValueError, match=r"layer 1 has noise for 3 images of \(4, 16, 16\), not \(3, 4, 8, 8\)"):
        step_noise(range(3)).normals(LAYERS)(1, (3, 4, 8, 8))


def test_an_image_has_its_noise_in_every_batch() -> None:
    together = of_images([7, 8, 9])
    assert torch.equal(together[2:], of_images([9]))
    assert torch.equal(together[:2].flip(0), of_images([8, 7]))
    others = [of_images([7], seed=1), of_images([7], purpose="validation"), of_images([8])]
    assert not any(torch.equal(other, together[:1]) for other in others)
    assert not torch.equal(of_images([7], layer=1)[:, :3, :4, :4], together[:1])


def test_seeds_that_agree_in_32_bits_differ_after_mixing() -> None:
    assert mixed_seed(1, "x") % 2**32 != mixed_seed(1 + 2**32, "x") % 2**32
    assert 0 <= mixed_seed(10**30, "x", 3) < 2**64
