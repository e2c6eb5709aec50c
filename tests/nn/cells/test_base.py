"""What holds of every cell."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hvaedsl.nn.cells import Cell, EulerMaruyamaCell, NonResidualCell, NVAECell, VDVAECell

CHANNELS, MID, BATCH, SIZE = 4, 3, 2, 3
CELLS = (VDVAECell, NonResidualCell, EulerMaruyamaCell, NVAECell)


@pytest.fixture(params=CELLS, ids=lambda kind: kind.__name__)
def cell(request: pytest.FixtureRequest) -> Cell:
    """A cell whose every parameter is away from its initial value."""
    made: Cell = request.param(CHANNELS, MID, CHANNELS, 3)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return made


def tensors() -> tuple[Tensor, Tensor, Tensor]:
    x, a, noise = torch.randn(3, BATCH, CHANNELS, SIZE, SIZE)
    return x, a, noise


def test_gradients_are_right_and_reach_every_parameter(cell: Cell) -> None:
    inputs = tuple(tensor.requires_grad_() for tensor in tensors())
    assert torch.autograd.gradcheck(cell, inputs)
    following, _, kl_nats = cell(*inputs)
    (following.sum() + kl_nats.sum()).backward()
    for name, parameter in cell.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_a_given_latent_replays_the_application(cell: Cell) -> None:
    state, activation, noise = tensors()
    following, z, _ = cell(state, activation, noise)
    assert torch.equal(cell.generate_from(state, z), following)
    following, z = cell.generate(state, noise, 0.7)
    assert torch.equal(cell.generate_from(state, z), following)


def test_temperature_scales_the_priors_sigma(cell: Cell) -> None:
    state, _, noise = tensors()
    cold, warm, hot = (cell.generate(state, noise, temperature)[1] for temperature in (1e-30, 1.0, 3.0))
    torch.testing.assert_close(hot - cold, 3 * (warm - cold))
    p, h = cell.prior_parameters(state)
    torch.testing.assert_close(warm - cold, p.log_sigma.exp() * noise)
    assert h.shape == (BATCH, CHANNELS if cell.gives_h else 0, SIZE, SIZE)


def test_the_prior_starts_with_mean_0_and_sigma_1() -> None:
    for kind in CELLS:
        p, _ = kind(CHANNELS, MID, CHANNELS, 3).prior_parameters(torch.randn(1, CHANNELS, SIZE, SIZE))
        assert not p.mean.any()
        assert not p.log_sigma.any()


def test_the_state_stays_wide_under_autocast(cell: Cell) -> None:
    cell = cell.float()
    state, activation, noise = (tensor.float() for tensor in tensors())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        following, z, kl_nats = cell(state, activation, noise)
    assert following.dtype == z.dtype == kl_nats.dtype == torch.float32


def test_refuses_temperatures_and_depths_that_mean_nothing(cell: Cell) -> None:
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="temperature must be above 0"):
            cell.generate(torch.zeros(1, CHANNELS, 1, 1), torch.zeros(1, CHANNELS, 1, 1), temperature)
    with pytest.raises(ValueError, match="applications must be at least 1, not 0"):
        cell.scale_for_depth_(0)
