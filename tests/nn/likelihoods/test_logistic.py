from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hvaedsl.nn.likelihoods.logistic import (
    EDGE,
    FIVE_BIT_HALF_WIDTH,
    discretized_logistic_log_prob,
    exact_logistic_log_prob,
    half_width_of_levels,
)


def log_mass(x: float, mean: float, log_scale: float, half_width: float) -> float:
    tensors = torch.tensor(x), torch.tensor(mean), torch.tensor(log_scale)
    return discretized_logistic_log_prob(*tensors, half_width).item()


def cdf(x: float, mean: float, log_scale: float) -> float:
    return 1 / (1 + math.exp(-(x - mean) / math.exp(log_scale)))


def targets(levels: int) -> Tensor:
    return torch.arange(levels, dtype=torch.float64) * 2 / (levels - 1) - 1


@pytest.mark.parametrize("levels", [2, 3, 17, 256])
@pytest.mark.parametrize(("mean", "log_scale"), [(0.0, -0.7), (0.9, -0.5), (-1.5, 0.0), (0.3, 2.0)])
def test_masses_of_all_levels_sum_to_one(levels: int, mean: float, log_scale: float) -> None:
    masses = discretized_logistic_log_prob(
        targets(levels), torch.tensor(mean), torch.tensor(log_scale), half_width_of_levels(levels)
    ).exp()
    assert masses.min() > 1e-5
    assert masses.sum().item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("levels", [2, 3, 17, 100, 255, 256])
def test_only_the_outermost_levels_are_open(levels: int, dtype: torch.dtype) -> None:
    x = targets(levels).to(dtype)
    assert torch.nonzero(x < -EDGE).flatten().tolist() == [0]
    assert torch.nonzero(x > EDGE).flatten().tolist() == [levels - 1]


@pytest.mark.parametrize("level", [0, 1, 8, 15, 16])
def test_bins_are_differences_of_the_distribution_function(level: int) -> None:
    mean, log_scale, half = 0.2, -1.0, 1 / 16
    x = 2 * level / 16 - 1
    below = cdf(x - half, mean, log_scale) if level > 0 else 0
    above = cdf(x + half, mean, log_scale) if level < 16 else 1
    assert log_mass(x, mean, log_scale, half_width_of_levels(17)) == pytest.approx(math.log(above - below), rel=1e-8)


def test_tiny_bins_take_the_density_at_the_centre() -> None:
    mean, log_scale, x = -0.5, -4.0, 0.5 + 1 / 255
    scaled = (x - mean) / math.exp(log_scale)
    log_density = -scaled - log_scale - 2 * math.log1p(math.exp(-scaled))
    expected = log_density - math.log(127.5)
    assert log_mass(x, mean, log_scale, half_width_of_levels(256)) == pytest.approx(expected, rel=1e-9)
    # The mass itself is not far, but it is another number.
    exact = -scaled + math.log(2 * math.sinh(math.exp(-log_scale) / 255))
    assert expected == pytest.approx(exact, abs=0.01)
    assert expected != pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(("mass", "approximated"), [(0.9e-5, True), (1.1e-5, False)])
def test_the_approximation_starts_at_a_mass_of_1e_minus_5(mass: float, approximated: bool) -> None:
    # Far out, the mass of x +- h is about 2 sinh(h / s) exp(-x / s), and its approximation (2 h / s) exp(-x / s).
    scale, half = math.exp(-4.0), 1 / 255
    x = scale * math.log(2 * math.sinh(half / scale) / mass)
    exact = math.log(cdf(-x + half, 0.0, -4.0) - cdf(-x - half, 0.0, -4.0))
    density = math.log(2 * half / scale) - x / scale - 2 * math.log1p(math.exp(-x / scale))
    assert abs(exact - density) > 0.005
    expected = density if approximated else exact
    assert log_mass(-x, 0.0, -4.0, half) == pytest.approx(expected, rel=1e-8)


def test_five_bit_bins_by_hand() -> None:
    half_width = FIVE_BIT_HALF_WIDTH
    mean, log_scale = 0.7, -2.0

    def closed(x: float) -> float:
        return math.log(cdf(x + 1 / 31, mean, log_scale) - cdf(x - 1 / 31, mean, log_scale))

    top, second = (248 - 127.5) / 127.5, (8 - 127.5) / 127.5
    assert log_mass(top, mean, log_scale, half_width) == pytest.approx(closed(top), rel=1e-9)
    assert log_mass(second, -0.8, 0.0, half_width) == pytest.approx(
        math.log(cdf(second + 1 / 31, -0.8, 0.0) - cdf(second - 1 / 31, -0.8, 0.0)), rel=1e-9
    )
    assert log_mass(-1.0, -0.8, 0.0, half_width) == pytest.approx(math.log(cdf(-1 + 1 / 31, -0.8, 0.0)), rel=1e-9)
    scaled = (second - mean) / math.exp(-3.0)
    log_density = scaled + 3.0 - 2 * math.log1p(math.exp(scaled))
    assert log_mass(second, mean, -3.0, half_width) == pytest.approx(log_density - math.log(15.5), rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_stay_finite_far_out(dtype: torch.dtype) -> None:
    extremes = torch.tensor([-1e6, -1e3, -1.0, 0.0, 0.5, 1.0, 1e3, 1e6], dtype=dtype)
    scales = torch.tensor([-7.0, -2.0, 0.0, 20.0, 1e4], dtype=dtype)
    x = targets(256)[[0, 1, 100, 254, 255]].to(dtype)
    mean = extremes.view(1, -1, 1).clone().requires_grad_()
    log_scale = scales.view(1, 1, -1).clone().requires_grad_()
    log_prob = discretized_logistic_log_prob(x.view(-1, 1, 1), mean, log_scale, half_width_of_levels(256))
    gradients = torch.autograd.grad(log_prob.sum(), (mean, log_scale))
    assert log_prob.isfinite().all()
    assert (log_prob <= 0).all()
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_gradients() -> None:
    x = targets(17)

    def log_prob(mean: Tensor, log_scale: Tensor) -> Tensor:
        return discretized_logistic_log_prob(x, mean, log_scale, half_width_of_levels(17))

    mean = torch.randn(17, requires_grad=True)
    log_scale = torch.linspace(-4, 1, 17, requires_grad=True)
    assert torch.autograd.gradcheck(log_prob, (mean, log_scale))


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize(("mean", "log_scale"), [(0.0, -0.7), (0.9, -0.5), (-1.5, 0.0), (0.3, 2.0)])
def test_the_exact_form_is_the_published_one_where_that_is_exact(levels: int, mean: float, log_scale: float) -> None:
    arguments = targets(levels), torch.tensor(mean), torch.tensor(log_scale), half_width_of_levels(levels)
    published, exact = discretized_logistic_log_prob(*arguments), exact_logistic_log_prob(*arguments)
    torch.testing.assert_close(exact, published, rtol=1e-9, atol=0)
