"""The mixture of logistics above 256 levels, and of independent channels."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hvaedsl.nn.likelihoods import HighBitDepthMixtureOfLogistics, MixtureOfLogistics

LEVELS = (257, 4_096, 65_536)
MEANS = torch.tensor([-3.0, -1.0, -0.99997, -0.3, 0.0, 0.5, 0.999, 1.0, 2.5])


def targets(levels: int) -> Tensor:
    return (2 * torch.arange(levels, dtype=torch.float64) / (levels - 1) - 1)[:, None]


def log_scales(likelihood: MixtureOfLogistics) -> list[float]:
    return torch.linspace(likelihood.minimum_log_scale, 2, 15, dtype=torch.float64).tolist()


@pytest.mark.parametrize("levels", LEVELS)
def test_the_masses_of_all_levels_sum_to_one(levels: int) -> None:
    likelihood = HighBitDepthMixtureOfLogistics(4, channels=1, mixtures=1, levels=levels).double()
    for scale in log_scales(likelihood):
        log_masses = likelihood.log_prob(targets(levels), MEANS.double(), torch.full(MEANS.shape, scale).double())
        torch.testing.assert_close(log_masses.exp().sum(dim=0), torch.ones(len(MEANS)).double(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("levels", LEVELS)
def test_float32_is_close_to_float64(levels: int) -> None:
    likelihood = HighBitDepthMixtureOfLogistics(4, channels=1, mixtures=1, levels=levels)
    x = targets(levels)[:: max(1, levels // 4_096)].float()
    for scale in log_scales(likelihood):
        scales = torch.full(MEANS.shape, scale)
        single = likelihood.log_prob(x, MEANS, scales)
        double = likelihood.log_prob(x.double(), MEANS.double(), scales.double())
        torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=8e-4)


@pytest.mark.parametrize("levels", LEVELS)
def test_gradients_are_finite_wherever_the_level_is(levels: int) -> None:
    likelihood = HighBitDepthMixtureOfLogistics(4, channels=1, mixtures=1, levels=levels)
    x = targets(levels)[[0, 1, levels // 2, levels - 2, levels - 1]].float()
    for scale in (likelihood.minimum_log_scale, -3.0, 2.0):
        means, scales = MEANS.clone().requires_grad_(), torch.full(MEANS.shape, scale, requires_grad=True)
        log_mass = likelihood.log_prob(x, means, scales)
        log_mass.sum().backward()  # type: ignore[no-untyped-call]  # torch's
        for found in (log_mass, means.grad, scales.grad):
            assert found is not None
            assert found.isfinite().all()


def test_a_pixel_that_is_known_costs_little() -> None:
    """With the published clamp, the mass at the mean is about half_width / (2 * exp(-7))."""
    levels = 65_536
    likelihood = HighBitDepthMixtureOfLogistics(4, channels=1, mixtures=1, levels=levels).double()
    x = targets(levels)[30_000]
    at_clamp = torch.tensor([likelihood.minimum_log_scale]).double()
    bits = -likelihood.log_prob(x, x, at_clamp).item() / math.log(2)
    published = -likelihood.log_prob(x, x, torch.tensor([-7.0]).double()).item() / math.log(2)
    assert bits < 1.2
    assert published == pytest.approx(-math.log2(likelihood.half_width / 2 * math.exp(7)), rel=1e-3)
    assert published > 6.9


def test_samples_have_all_levels() -> None:
    levels = 4_096
    likelihood = HighBitDepthMixtureOfLogistics(4, channels=2, mixtures=3, levels=levels)
    with torch.no_grad():
        likelihood.out_conv.weight.mul_(3)
    drawn = likelihood.sample(torch.randn(8, 4, 32, 32), torch.Generator().manual_seed(0))
    assert drawn.dtype == torch.int32
    assert drawn.shape == (8, 32, 32, 2)
    assert int(drawn.min()) >= 0
    assert 256 < int(drawn.max()) < levels
    assert len(set(drawn.flatten().tolist())) > 1_000


@pytest.mark.parametrize("levels", [256, 2, 65_537])
def test_other_levels_are_refused(levels: int) -> None:
    with pytest.raises(ValueError, match="levels must be from 257 to 65536"):
        HighBitDepthMixtureOfLogistics(4, channels=1, mixtures=1, levels=levels)


@pytest.mark.parametrize("channels", [2, 3, 4, 64])
def test_independent_channels_are_those_of_gray_images_with_a_common_component(channels: int) -> None:
    """With one component, the loss is the mean of the losses of the channels as gray images."""
    likelihood = MixtureOfLogistics(6, channels=channels, mixtures=1, independent=True).double()
    assert likelihood.out_conv.out_channels == 1 + 2 * channels
    state, target = torch.randn(2, 6, 4, 5).double(), torch.rand(2, 4, 5, channels).double() * 2 - 1
    alone = []
    for channel in range(channels):
        gray = MixtureOfLogistics(6, channels=1, mixtures=1).double()
        rows = [0, 1 + 2 * channel, 2 + 2 * channel]  # the logit, then mean and log-scale of the channel
        gray.out_conv.load_state_dict({name: value[rows] for name, value in likelihood.out_conv.state_dict().items()})
        alone.append(gray.nll_nats_per_dim(state, target[..., channel : channel + 1]))
    torch.testing.assert_close(likelihood.nll_nats_per_dim(state, target), torch.stack(alone).mean(dim=0))
    assert likelihood.sample(state).shape == likelihood.mean(state).shape == target.shape


def test_independent_gray_images_are_the_same_model() -> None:
    state, target = torch.randn(2, 6, 4, 5), torch.rand(2, 4, 5, 1) * 2 - 1
    plain, independent = (MixtureOfLogistics(6, channels=1, mixtures=4, independent=found) for found in (False, True))
    independent.load_state_dict(plain.state_dict())
    assert torch.equal(plain.nll_nats_per_dim(state, target), independent.nll_nats_per_dim(state, target))
