from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hvaedsl.nn.cells import NonResidualCell, VDVAECell

CHANNELS, MID, LATENT, BATCH, SIZE = 6, 3, 2, 4, 5


@pytest.fixture
def cell() -> NonResidualCell:
    """A cell whose every parameter is away from its initial value."""
    cell = NonResidualCell(CHANNELS, MID, LATENT, 3)
    for parameter in cell.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return cell


@pytest.fixture
def state() -> Tensor:
    return torch.randn(BATCH, CHANNELS, SIZE, SIZE, requires_grad=True)


def test_the_state_dict_is_that_of_vdvae(cell: NonResidualCell) -> None:
    other = VDVAECell(CHANNELS, MID, LATENT, 3)
    other.load_state_dict(cell.state_dict())
    assert list(other.state_dict()) == list(cell.state_dict())


def test_with_z_fixed_the_next_state_does_not_depend_on_the_state(cell: NonResidualCell, state: Tensor) -> None:
    z = torch.randn(BATCH, LATENT, SIZE, SIZE)
    following = cell.generate_from(state, z)
    gradients: tuple[Tensor | None, ...] = torch.autograd.grad(following.sum(), state, allow_unused=True)
    assert gradients == (None,)
    assert torch.equal(following, cell.generate_from(state + 1, z))


def test_the_next_state_is_the_residual_step_on_the_projection(cell: NonResidualCell, state: Tensor) -> None:
    activation, noise = torch.randn_like(state), torch.randn(BATCH, LATENT, SIZE, SIZE)
    following, z, kl_nats = cell(state, activation, noise)
    parameters = dict(cell.named_parameters())
    u = F.conv2d(z, parameters["z_proj.weight"], parameters["z_proj.bias"])
    torch.testing.assert_close(following, cell.resnet(u))
    twin = VDVAECell(CHANNELS, MID, LATENT, 3)
    twin.load_state_dict(cell.state_dict())
    _, same_z, same_kl_nats = twin(state, activation, noise)
    assert torch.equal(z, same_z)
    assert torch.equal(kl_nats, same_kl_nats)


def test_every_parameter_has_a_gradient_and_that_of_h_is_zero(cell: NonResidualCell, state: Tensor) -> None:
    following, _, kl_nats = cell(state, torch.randn_like(state), torch.randn(BATCH, LATENT, SIZE, SIZE))
    (following.square().sum() + kl_nats.sum()).backward()
    assert all(parameter.grad is not None for parameter in cell.parameters())
    for gradient in (cell.prior.c4.weight.grad, cell.prior.c4.bias.grad if cell.prior.c4.bias is not None else None):
        assert gradient is not None
        assert not gradient[2 * LATENT :].any()
        assert gradient[: 2 * LATENT].all()
