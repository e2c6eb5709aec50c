"""The density of real values: against torch.distributions, its samples, its gradients at the clamp."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from hvaedsl.nn.likelihoods import GaussianDensity
from hvaedsl.nn.likelihoods.gaussian import MINIMUM_REAL_LOG_SCALE

WIDTH = 5
CHANNELS = [(1, False), (2, False), (3, False), (3, True), (7, True)]


def made(channels: int, independent: bool, seed: int = 0) -> tuple[GaussianDensity, Tensor]:
    """A likelihood in float64 with weights that matter, and a state of two images of 4x3 pixels."""
    torch.manual_seed(seed)
    likelihood = GaussianDensity(WIDTH, channels=channels, independent=independent).double()
    with torch.no_grad():
        for parameter in likelihood.parameters():
            parameter.normal_()
    return likelihood, torch.randn(2, WIDTH, 4, 3, dtype=torch.float64)


def conditional(likelihood: GaussianDensity, state: Tensor, image: Tensor) -> Normal:
    """The normal of each channel given the channels before it, from the head's outputs as its docstring has them."""
    outputs = likelihood.outputs(state)
    found = outputs.reshape(*outputs.shape[:3], likelihood.channels, -1)
    locations, scales = found[..., 0].clone(), found[..., 1].clamp(min=-9.0).exp()
    if likelihood.coupled:
        green_on_red, blue_on_red, blue_on_green = found[..., 2].tanh().unbind(-1)
        locations[..., 1] += green_on_red * image[..., 0]
        locations[..., 2] += blue_on_red * image[..., 0] + blue_on_green * image[..., 1]
    return Normal(locations, scales)


@pytest.mark.parametrize(("channels", "independent"), CHANNELS)
def test_the_log_density_is_that_of_torch(channels: int, independent: bool) -> None:
    likelihood, state = made(channels, independent)
    target = 3 * torch.randn(2, 4, 3, channels, dtype=torch.float64)
    expected = -conditional(likelihood, state, target).log_prob(target).mean(dim=(1, 2, 3))  # type: ignore[no-untyped-call]  # torch's
    torch.testing.assert_close(likelihood.nll_nats_per_dim(state, target), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("channels", "independent"), CHANNELS)
def test_the_head_has_as_many_outputs_as_are_counted(channels: int, independent: bool) -> None:
    likelihood, _ = made(channels, independent)
    coefficients = 3 if channels == 3 and not independent else 0
    assert likelihood.out_conv.out_channels == 2 * channels + coefficients


@pytest.mark.parametrize(("channels", "independent"), CHANNELS)
def test_samples_have_the_moments_of_the_density(channels: int, independent: bool) -> None:
    likelihood, state = made(channels, independent)
    count = 40_000
    images = likelihood.sample(state[:1, :, :1, :1].expand(count, -1, -1, -1), torch.Generator().manual_seed(1))
    assert images.shape == (count, 1, 1, channels)

    # Given the channels before it, each channel less its location, by its scale, is standard normal.
    given = conditional(likelihood, state[:1, :, :1, :1].expand(count, -1, -1, -1), images)
    standard = ((images - given.mean) / given.stddev)[:, 0, 0]
    error = 5 / math.sqrt(count)
    assert standard.mean(dim=0).abs().max() < error
    assert (standard.var(dim=0) - 1).abs().max() < error * math.sqrt(2)
    correlations = torch.corrcoef(standard.T).reshape(channels, channels)
    assert (correlations - torch.eye(channels, dtype=torch.float64)).abs().max() < error

    # The mean is the expectation, with the chain of the colors in it.
    spread = images[:, 0, 0].std(dim=0) * error
    assert ((images.mean(dim=0) - likelihood.mean(state[:1, :, :1, :1])[0])[0, 0].abs() < spread).all()


def test_samples_follow_the_generator_and_keep_the_type() -> None:
    likelihood, state = made(3, False)
    drawn = [likelihood.sample(state, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert likelihood.float().sample(state.float()).dtype == torch.float32


@pytest.mark.parametrize("log_scale", [-9.0, -30.0, -1e4, 0.0, 20.0])
@pytest.mark.parametrize("distance", [0.0, 1e-3, 1.0, 1e3])
def test_loss_and_gradients_are_finite_at_the_clamp(log_scale: float, distance: float) -> None:
    likelihood = GaussianDensity(WIDTH, channels=3)
    with torch.no_grad():
        likelihood.out_conv.weight.zero_()
        bias = likelihood.out_conv.bias
        assert bias is not None
        bias.copy_(torch.tensor([0.0, log_scale, 0.0]).repeat(3))
    state = torch.ones(1, WIDTH, 2, 2, requires_grad=True)
    loss = likelihood.nll_nats_per_dim(state, torch.full((1, 2, 2, 3), distance))
    loss.sum().backward()  # type: ignore[no-untyped-call]  # torch's
    gradients = [state.grad, *(parameter.grad for parameter in likelihood.parameters())]
    assert loss.isfinite().all()
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    if distance == 0 and log_scale <= MINIMUM_REAL_LOG_SCALE:
        assert loss.item() == pytest.approx(0.5 * math.log(2 * math.pi) - 9)


def test_what_is_refused() -> None:
    likelihood, state = made(3, False)
    with pytest.raises(
        ValueError, match=r"the target has shape \(2, 4, 3, 1\), the likelihood describes \(2, 4, 3, 3\)"
    ):
        likelihood.nll_nats_per_dim(state, torch.zeros(2, 4, 3, 1))
    with pytest.raises(ValueError, match="channels must be at least 1, not 0"):
        GaussianDensity(WIDTH, channels=0)
