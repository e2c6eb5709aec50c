from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hvaedsl.nn.blocks import Bottleneck
from hvaedsl.nn.cells import VDVAECell

Parameters = dict[str, Tensor]
CHANNELS, MID, LATENT, BATCH, SIZE = 6, 3, 2, 4, 5


@pytest.fixture(params=[1, 3])
def cell(request: pytest.FixtureRequest) -> VDVAECell:
    """A cell whose every parameter is away from its initial value."""
    cell = VDVAECell(CHANNELS, MID, LATENT, request.param)
    for parameter in cell.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return cell


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """State, activation, noise."""
    return (
        torch.randn(BATCH, CHANNELS, SIZE, SIZE),
        torch.randn(BATCH, CHANNELS, SIZE, SIZE),
        torch.randn(BATCH, LATENT, SIZE, SIZE),
    )


def branch(parameters: Parameters, name: str, x: Tensor) -> Tensor:
    for layer in ("c1", "c2", "c3", "c4"):
        weight, bias = parameters[f"{name}.{layer}.weight"], parameters[f"{name}.{layer}.bias"]
        x = F.conv2d(0.5 * x * (1 + torch.erf(x / math.sqrt(2))), weight, bias, padding=weight.shape[-1] // 2)
    return x


def top_down(parameters: Parameters, x: Tensor, a: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The equations of the top-down block, on the parameters alone."""
    q = branch(parameters, "posterior", torch.cat([x, a], dim=1))
    p = branch(parameters, "prior", x)
    q_mean, q_sigma = q[:, :LATENT], q[:, LATENT:].exp()
    p_mean, p_sigma = p[:, :LATENT], p[:, LATENT : 2 * LATENT].exp()
    z = q_mean + q_sigma * noise
    kl = torch.log(p_sigma / q_sigma) + (q_sigma**2 + (q_mean - p_mean) ** 2) / (2 * p_sigma**2) - 0.5
    projected = torch.einsum("oc,bchw->bohw", parameters["z_proj.weight"][:, :, 0, 0], z)
    moved = x + p[:, 2 * LATENT :] + projected + parameters["z_proj.bias"].view(1, -1, 1, 1)
    return moved + branch(parameters, "resnet", moved), z, kl.sum(dim=(1, 2, 3))


def test_application_is_its_equations(cell: VDVAECell, inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    actual = cell(*inputs)
    expected = top_down(cell.state_dict(), *inputs)
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-11)
    assert actual[2].shape == (BATCH,)


def test_generation_scales_the_priors_sigma(cell: VDVAECell, inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    state, _, noise = inputs
    p, _ = cell.prior_parameters(state)
    following, z = cell.generate(state, noise, 0.3)
    torch.testing.assert_close(z, p.mean + 0.3 * p.log_sigma.exp() * noise)
    assert torch.equal(following, cell.generate_from(state, z))
    _, cold = cell.generate(state, noise, 1e-30)
    torch.testing.assert_close(cold, p.mean, rtol=0, atol=1e-25)
    _, plain = cell.generate(state, noise)
    torch.testing.assert_close(plain, p.mean + p.log_sigma.exp() * noise)


def test_a_given_latent_replays_the_application(cell: VDVAECell, inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    following, z, _ = cell(*inputs)
    assert torch.equal(cell.generate_from(inputs[0], z), following)


def test_step_adds_h_before_the_latent(cell: VDVAECell) -> None:
    state = torch.ones(1, CHANNELS, 1, 1)
    big = torch.full((1, CHANNELS, 1, 1), 1e17)
    cell.z_proj.weight.data.zero_()
    assert cell.z_proj.bias is not None
    cell.z_proj.bias.data.fill_(-1e17)
    assert isinstance(cell.resnet, Bottleneck)
    cell.resnet.zero_last_()
    assert cell.resnet.c4.bias is not None
    cell.resnet.c4.bias.data.zero_()
    # (1 + 1e17) - 1e17 is 0 in float64; 1 + (1e17 - 1e17) would be 1.
    assert torch.equal(cell.step(state, big, torch.zeros(1, LATENT, 1, 1)), torch.zeros_like(state))


def test_prior_starts_standard_normal(inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    cell = VDVAECell(CHANNELS, MID, LATENT, 3)
    p, h = cell.prior_parameters(inputs[0])
    assert not p.mean.any()
    assert not p.log_sigma.any()
    assert not h.any()
    assert h.shape == inputs[0].shape
    assert all(not parameter.any() for name, parameter in cell.named_parameters() if name.endswith("bias"))


def test_depth_scales_the_projection_and_the_resnet_alone() -> None:
    cell = VDVAECell(CHANNELS, MID, LATENT, 3)
    before = {name: tensor.clone() for name, tensor in cell.state_dict().items()}
    cell.scale_for_depth_(16)
    for name, tensor in cell.state_dict().items():
        factor = 0.25 if name in ("z_proj.weight", "resnet.c4.weight") else 1
        assert torch.equal(tensor, factor * before[name]), name


def test_gradients_reach_every_parameter_and_are_right() -> None:
    cell = VDVAECell(2, 2, 1, 3)
    torch.nn.init.normal_(cell.prior.c4.weight)
    inputs = tuple(torch.randn(1, channels, 2, 2, requires_grad=True) for channels in (2, 2, 1))
    assert torch.autograd.gradcheck(cell, inputs)
    following, _, kl_nats = cell(*inputs)
    (following.sum() + kl_nats.sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in cell.parameters())


def test_densities_stay_wide_under_autocast(cell: VDVAECell, inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    cell, inputs = cell.float(), (inputs[0].float(), inputs[1].float(), inputs[2].float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        following, z, kl_nats = cell(*inputs)
    assert following.dtype == z.dtype == kl_nats.dtype == torch.float32


def test_refuses_temperatures_and_depths_that_mean_nothing(cell: VDVAECell) -> None:
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="temperature must be above 0"):
            cell.generate(torch.zeros(1, CHANNELS, 1, 1), torch.zeros(1, LATENT, 1, 1), temperature)
    with pytest.raises(ValueError, match="applications must be at least 1, not 0"):
        cell.scale_for_depth_(0)
