from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from hvaedsl.nn.gaussian import kl_divergence_nats, sample, split_gaussian


def test_kl_is_the_closed_form_of_torch() -> None:
    q_mean, q_log_sigma, p_mean, p_log_sigma = torch.randn(4, 2, 3, 4, 4).unbind()
    expected = kl_divergence(Normal(q_mean, q_log_sigma.exp()), Normal(p_mean, p_log_sigma.exp()))
    actual = kl_divergence_nats(q_mean, q_log_sigma, p_mean, p_log_sigma)
    torch.testing.assert_close(actual, expected, rtol=1e-11, atol=1e-14)


def test_kl_is_an_expected_log_ratio() -> None:
    mean_q, sigma_q, mean_p, sigma_p = torch.tensor([0.3, 0.7, -0.2, 1.1]).unbind()
    z = torch.linspace(-12, 12, 200_001)
    log_q = -(((z - mean_q) / sigma_q) ** 2) / 2 - torch.log(sigma_q * math.sqrt(2 * math.pi))
    log_p = -(((z - mean_p) / sigma_p) ** 2) / 2 - torch.log(sigma_p * math.sqrt(2 * math.pi))
    integral = torch.trapezoid(log_q.exp() * (log_q - log_p), z)
    torch.testing.assert_close(kl_divergence_nats(mean_q, sigma_q.log(), mean_p, sigma_p.log()), integral)


@pytest.mark.parametrize(("shift", "log_ratio"), [(1e-9, 0.0), (0.0, 1e-9), (0.0, -1e-9)])
def test_kl_of_nearly_equal_gaussians_keeps_its_digits(shift: float, log_ratio: float) -> None:
    zero = torch.zeros(())
    kl = kl_divergence_nats(zero + shift, zero + log_ratio, zero, zero)
    # To second order the KL is shift^2 / 2 + log_ratio^2.
    assert kl.item() == pytest.approx(shift**2 / 2 + log_ratio**2, abs=1e-17)
    assert kl.item() >= 0


def test_kl_of_equal_gaussians_is_zero() -> None:
    mean, log_sigma = torch.randn(2, 100).unbind()
    assert torch.equal(kl_divergence_nats(mean, log_sigma, mean, log_sigma), torch.zeros(100))


def test_kl_survives_sigmas_that_underflow_when_squared() -> None:
    log_sigma = torch.full((1,), -60.0, dtype=torch.float32)
    mean = torch.zeros(1, dtype=torch.float32)
    assert kl_divergence_nats(mean, log_sigma + 1, mean, log_sigma).item() == pytest.approx(
        (math.e**2 - 1) / 2 - 1, rel=1e-5
    )


def test_kl_gradients() -> None:
    arguments = tuple(torch.randn(3, requires_grad=True) for _ in range(4))
    assert torch.autograd.gradcheck(kl_divergence_nats, arguments)


def test_sample_is_affine_in_the_noise() -> None:
    mean, log_sigma = torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.5]).log()
    assert sample(mean, log_sigma, torch.tensor([0.0, 0.0])).tolist() == [2.0, -1.0]
    torch.testing.assert_close(sample(mean, log_sigma, torch.tensor([3.0, -2.0])), torch.tensor([5.0, -2.0]))


def test_split_takes_means_first_and_widens() -> None:
    channels = torch.arange(8.0, dtype=torch.bfloat16).view(1, 4, 1, 2)
    gaussian = split_gaussian(channels)
    assert gaussian.mean.flatten().tolist() == [0, 1, 2, 3]
    assert gaussian.log_sigma.flatten().tolist() == [4, 5, 6, 7]
    assert gaussian.mean.dtype == gaussian.log_sigma.dtype == torch.float32
