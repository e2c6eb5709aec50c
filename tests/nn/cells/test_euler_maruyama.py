from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hvaedsl.nn.cells import EulerMaruyamaCell

CHANNELS, MID, BATCH, SIZE = 4, 3, 3, 5
SMALLEST = -300.0  # exp(-300) is lost beside any number of the tests


@pytest.fixture
def cell() -> EulerMaruyamaCell:
    """A cell whose every parameter is away from its initial value."""
    cell = EulerMaruyamaCell(CHANNELS, MID, CHANNELS, 3)
    for parameter in cell.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return cell


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """State, activation, noise."""
    x, a, noise = (torch.randn(BATCH, CHANNELS, SIZE, SIZE) for _ in range(3))
    return x, a, noise


def fix(cell: EulerMaruyamaCell, branch: str, mean: float, log_sigma: float) -> None:
    """Let a branch give the same mean and log sigma whatever it reads."""
    last = getattr(cell, branch).c4
    last.weight.data.zero_()
    last.bias.data[:CHANNELS] = mean
    last.bias.data[CHANNELS:] = log_sigma


def test_it_is_a_step_of_the_scheme(cell: EulerMaruyamaCell, inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    x, a, noise = inputs
    q = cell.posterior(torch.cat([x, a], dim=1))
    p = cell.prior(x)
    following, z, kl_nats = cell(x, a, noise)
    torch.testing.assert_close(z, x + q[:, :CHANNELS] + q[:, CHANNELS:].exp() * noise)
    assert torch.equal(following, z)
    posterior = torch.distributions.Normal(x + q[:, :CHANNELS], q[:, CHANNELS:].exp())
    prior = torch.distributions.Normal(x + p[:, :CHANNELS], p[:, CHANNELS:].exp())
    expected = torch.distributions.kl_divergence(posterior, prior).sum(dim=(1, 2, 3))
    torch.testing.assert_close(kl_nats, expected)
    following, z = cell.generate(x, noise, 0.3)
    torch.testing.assert_close(z, x + p[:, :CHANNELS] + 0.3 * p[:, CHANNELS:].exp() * noise)
    assert torch.equal(following, z)


def test_without_drift_and_noise_it_is_the_identity(
    cell: EulerMaruyamaCell, inputs: tuple[Tensor, Tensor, Tensor]
) -> None:
    for branch in ("posterior", "prior"):
        fix(cell, branch, 0.0, SMALLEST)
    x, a, noise = inputs
    following, _, kl_nats = cell(x, a, noise)
    assert torch.equal(following, x)
    assert not kl_nats.any()
    assert torch.equal(cell.generate(x, noise)[0], x)
    fix(cell, "prior", 0.0, 0.0)
    torch.testing.assert_close(cell.generate(x, noise, 1e-12)[0], x, rtol=0, atol=1e-10)


def test_the_kl_does_not_see_the_state(cell: EulerMaruyamaCell, inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    fix(cell, "posterior", 0.7, -0.5)
    fix(cell, "prior", -0.1, 0.2)
    x, a, noise = inputs
    x = x.requires_grad_()
    _, z, kl_nats = cell(x, a, noise)
    _, far, same_nats = cell(x + 1e15, a, noise)
    assert torch.equal(kl_nats, same_nats)
    assert not torch.equal(z, far)
    (gradient,) = torch.autograd.grad(kl_nats.sum(), x)
    assert not gradient.any()


def test_the_latent_is_the_state(cell: EulerMaruyamaCell, inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    x, _, z = inputs
    assert torch.equal(cell.generate_from(x, z), z)
    with pytest.raises(ValueError, match="z is the state: both have the same channels, not 2 and 4"):
        EulerMaruyamaCell(4, 3, 2, 3)


def test_depth_scales_nothing(cell: EulerMaruyamaCell) -> None:
    before = {name: tensor.clone() for name, tensor in cell.state_dict().items()}
    cell.scale_for_depth_(16)
    assert all(torch.equal(tensor, before[name]) for name, tensor in cell.state_dict().items())
