from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hvaedsl.nn.cells import NVAECell

CHANNELS, MID, LATENT, BATCH, SIZE = 6, 3, 2, 4, 5


@pytest.fixture
def cell() -> NVAECell:
    return NVAECell(CHANNELS, MID, LATENT, 3)


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """State, activation, noise."""
    x, a = torch.randn(2, BATCH, CHANNELS, SIZE, SIZE)
    return x, a, torch.randn(BATCH, LATENT, SIZE, SIZE)


def test_it_starts_as_the_additive_form(cell: NVAECell, inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    following, z, _ = cell(*inputs)
    projected = torch.einsum("oc,bchw->bohw", cell.combiner.weight[:, CHANNELS:, 0, 0], z)
    torch.testing.assert_close(following, cell.resnet(inputs[0] + projected))


def test_a_and_b_combine_state_and_latent(cell: NVAECell, inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    for parameter in cell.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    x, _, z = inputs
    weight, bias = dict(cell.named_parameters())["combiner.weight"], dict(cell.named_parameters())["combiner.bias"]
    a_x, b_z = F.conv2d(x, weight[:, :CHANNELS]), F.conv2d(z, weight[:, CHANNELS:], bias)
    torch.testing.assert_close(cell.generate_from(x, z), cell.resnet(a_x + b_z))


def test_b_starts_as_a_projection_of_z_alone_does() -> None:
    torch.manual_seed(0)
    b = torch.stack([NVAECell(8, 2, 4, 1).combiner.weight[:, 8:].detach() for _ in range(200)])
    bound = 4**-0.5  # torch's default for a convolution that reads 4 channels: uniform within 1 / sqrt(4)
    assert 0.98 * bound < b.abs().max() <= bound
    assert b.var().item() == pytest.approx(bound**2 / 3, rel=0.05)


def test_depth_scales_what_z_and_the_residual_step_add(cell: NVAECell) -> None:
    before = {name: tensor.clone() for name, tensor in cell.state_dict().items()}
    cell.scale_for_depth_(16)
    after = cell.state_dict()
    assert torch.equal(after["combiner.weight"][:, :CHANNELS, 0, 0], torch.eye(CHANNELS))
    assert torch.equal(after["combiner.weight"][:, CHANNELS:], 0.25 * before["combiner.weight"][:, CHANNELS:])
    assert torch.equal(after["resnet.c4.weight"], 0.25 * before["resnet.c4.weight"])
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert changed == {"combiner.weight", "resnet.c4.weight"}
