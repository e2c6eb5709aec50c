"""The training objective: the bound by default, and the rate bent as `train.kl` says (the paper's B.4 among it)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
import torch
from torch import Tensor

import hvaedsl
from hvaedsl import Program, SpecError
from hvaedsl.ir.training import KLSpec
from hvaedsl.lowering.module import Output
from hvaedsl_runtime.train.objective import Objective, layer_resolutions, sampled_rate

Compiled = Callable[..., Program]
DEPTH, BATCH, DIMENSIONS = 6, 3, 64


def output(kl_nats: Tensor) -> Output:
    distortion = torch.linspace(1, 2, BATCH, dtype=torch.float64)
    rate = kl_nats.sum(dim=0) / DIMENSIONS
    return Output((distortion + rate).mean(), distortion, rate, kl_nats)


@pytest.fixture
def kl_nats() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand((DEPTH, BATCH), generator=generator, dtype=torch.float64).mul_(3).requires_grad_()


RESOLUTIONS = (1, 4, 4, 8, 8, 8)  # of the layers
WEIGHTS = {8: 0.5, 4: 0.0, 1: 2.0}


def objective(**kl: object) -> Objective:
    return Objective(KLSpec.model_validate(kl), seed=1, resolutions=RESOLUTIONS)


def test_the_default_is_the_bound_itself(kl_nats: Tensor) -> None:
    out = output(kl_nats)
    assert objective()(out, 0, DIMENSIONS) is out.loss_nats_per_dim


@pytest.mark.parametrize(("step", "weight"), [(0, 0.0), (5, 0.5), (10, 1.0), (99, 1.0)])
def test_warm_up_weighs_the_rate(kl_nats: Tensor, step: int, weight: float) -> None:
    out = output(kl_nats)
    expected = (out.distortion_nats_per_dim + weight * out.rate_nats_per_dim).mean()
    assert objective(warmup_steps=10)(out, step, DIMENSIONS).item() == pytest.approx(expected.item(), rel=1e-15)


def test_free_nats_hold_for_each_layer_and_image(kl_nats: Tensor) -> None:
    free = objective(free_nats=1.0)(output(kl_nats), 0, DIMENSIONS)
    (gradient,) = torch.autograd.grad(free, kl_nats)
    below = kl_nats.detach() < 1.0
    assert below.any()
    assert not below.all()
    assert torch.equal(gradient == 0, below)
    expected = (output(kl_nats).distortion_nats_per_dim + kl_nats.clamp(min=1.0).sum(dim=0) / DIMENSIONS).mean()
    assert free.item() == pytest.approx(expected.item(), rel=1e-15)


@pytest.mark.parametrize("weight", [0.0, 0.5, 4.0])
def test_a_weight_multiplies_the_rate_and_its_gradient(kl_nats: Tensor, weight: float) -> None:
    out = output(kl_nats)
    weighted = objective(weight=weight)(out, 0, DIMENSIONS)
    expected = (out.distortion_nats_per_dim + weight * out.rate_nats_per_dim).mean()
    assert weighted.item() == pytest.approx(expected.item(), rel=1e-15)
    (gradient,) = torch.autograd.grad(weighted, kl_nats)
    assert torch.allclose(gradient, torch.full_like(gradient, weight / DIMENSIONS / BATCH), rtol=1e-14, atol=0)


def test_a_map_of_weights_holds_for_the_layers_of_each_resolution(kl_nats: Tensor) -> None:
    weighted = objective(weight=WEIGHTS)(output(kl_nats), 0, DIMENSIONS)
    (gradient,) = torch.autograd.grad(weighted, kl_nats)
    expected = torch.tensor([WEIGHTS[at] for at in RESOLUTIONS], dtype=torch.float64) / DIMENSIONS / BATCH
    assert torch.allclose(gradient, expected[:, None].expand_as(gradient), rtol=1e-14, atol=0)


def test_free_nats_come_before_the_weight_and_the_sampled_layers_and_the_warm_up_after_it(kl_nats: Tensor) -> None:
    bent = objective(weight=WEIGHTS, free_nats=1.0, sampled_layers=2, warmup_steps=10)
    weights = torch.tensor([WEIGHTS[at] for at in RESOLUTIONS], dtype=torch.float64)
    chosen = bent.layers(5, DEPTH)
    terms = weights[:, None] * kl_nats.detach().clamp(min=1.0)
    rate = 0.5 * DEPTH / 2 * terms[chosen].sum(dim=0) / DIMENSIONS
    expected = (output(kl_nats).distortion_nats_per_dim + rate).mean()
    assert bent(output(kl_nats), 5, DIMENSIONS).item() == pytest.approx(expected.item(), rel=1e-14)


def test_the_layers_of_a_model_have_the_resolutions_of_the_blocks_that_draw() -> None:
    model = "width = 8  latent = {4: 0, other: 2}  encoder = 8x1, 8d4, 2x1  decoder = 2x1, 4m2, 8m4, 8x1"
    found = hvaedsl.loads(f"hvae 1\ndata {{ dataset = digits }}\nmodel {{ {model} }}\n").module()
    assert layer_resolutions(found) == [2, 8, 8]


@pytest.mark.parametrize("count", [1, 2])
def test_sampled_layers_give_the_rate_on_average_and_its_gradient(kl_nats: Tensor, count: int) -> None:
    choices = [torch.tensor(choice) for choice in combinations(range(DEPTH), count)]
    mean = torch.stack([sampled_rate(kl_nats, choice) for choice in choices]).mean(dim=0)
    assert torch.allclose(mean, kl_nats.sum(dim=0), rtol=1e-12, atol=0)
    (gradient,) = torch.autograd.grad(mean.sum(), kl_nats)
    assert torch.allclose(gradient, torch.ones_like(gradient), rtol=1e-12, atol=0)


@pytest.mark.parametrize("count", [1, 2, DEPTH])
def test_their_variance_is_that_of_draws_without_replacement(kl_nats: Tensor, count: int) -> None:
    kl = kl_nats.detach()[:, :1]
    estimates = torch.stack([sampled_rate(kl, torch.tensor(choice)) for choice in combinations(range(DEPTH), count)])
    expected = DEPTH**2 / count * (DEPTH - count) / (DEPTH - 1) * kl.var(unbiased=False).item()
    assert estimates.var(unbiased=False).item() == pytest.approx(expected, rel=1e-9, abs=1e-20)


def test_the_layers_are_a_function_of_seed_and_step_and_come_alike_often() -> None:
    sampler = objective(sampled_layers=2)
    assert torch.equal(sampler.layers(7, DEPTH), sampler.layers(7, DEPTH))
    drawn = torch.cat([sampler.layers(step, DEPTH) for step in range(3000)])
    shares = torch.bincount(drawn, minlength=DEPTH) / 3000
    assert shares.tolist() == pytest.approx([2 / DEPTH] * DEPTH, abs=0.03)


def test_more_layers_than_there_are_is_an_error() -> None:
    with pytest.raises(SpecError, match="at most 7, the stochastic depth of this model"):
        hvaedsl.load("digits.hvae", sets={"train.kl.sampled_layers": 8})
