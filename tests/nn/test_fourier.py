"""Fourier features (the paper, Tables G.8 to G.10)."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from hvaedsl.nn.blocks import Bottleneck
from hvaedsl.nn.cells import NVAECell, VDVAECell
from hvaedsl.nn.fourier import CellFeatures, features_channels, fourier_features


def test_sines_and_cosines_stand_behind_the_channels() -> None:
    x = torch.randn(2, 3, 4, 4)
    made = fourier_features(x, (0, 3))
    assert made.shape[1] == features_channels(3, (0, 3)) == 15
    for i, expected in enumerate((x, *(f(2.0**n * math.pi * x) for n in (0, 3) for f in (torch.sin, torch.cos)))):
        assert torch.equal(made[:, 3 * i : 3 * i + 3], expected)
    assert fourier_features(x, ()) is x


def test_features_of_16_bit_numbers_are_those_of_their_values() -> None:
    x = torch.randn(1, 2, 3, 3).bfloat16()
    assert torch.equal(fourier_features(x, (8,)), fourier_features(x.float(), (8,)))


def test_a_residual_block_adds_its_raw_input() -> None:
    block = Bottleneck(3, 2, 3, 3, residual=True, features=(1,))
    x = torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        block.c4.weight.zero_()
    assert torch.equal(block(x), x)


def test_the_first_convolution_of_a_block_reads_the_features() -> None:
    plain = Bottleneck(3, 2, 3, 3, residual=False)
    block = Bottleneck(3, 2, 3, 3, residual=False, features=(1,))
    state = {name: value for name, value in block.state_dict().items() if name != "c1.weight"}
    weight = block.c1.weight.detach()
    plain.load_state_dict({**state, "c1.weight": weight[:, :3]})
    x = torch.randn(2, 3, 4, 4)
    read = F.gelu(fourier_features(x, (1,)))
    hidden = F.conv2d(read, weight, block.c1.bias)
    for layer in (block.c2, block.c3, block.c4):
        hidden = layer(F.gelu(hidden))
    torch.testing.assert_close(block(x), hidden)
    assert not torch.allclose(block(x), plain(x))


def test_a_cell_reads_features_where_it_is_told_to() -> None:
    kinds: tuple[type[VDVAECell] | type[NVAECell], ...] = (VDVAECell, NVAECell)
    for kind in kinds:
        cell = kind(6, 3, 2, 3, CellFeatures(branches=(1,), sample=(2, 3), block=(4,)))
        assert cell.posterior.c1.in_channels == 3 * 12
        assert cell.prior.c1.in_channels == 3 * 6
        assert isinstance(cell.resnet, Bottleneck)
        assert cell.resnet.c1.in_channels == 3 * 6
        entry = cell.combiner if isinstance(cell, NVAECell) else cell.z_proj
        assert entry.in_channels == 5 * 2 + 6 * isinstance(cell, NVAECell)


def test_the_projection_reads_the_features_of_z() -> None:
    cell = VDVAECell(6, 3, 2, 3, CellFeatures(sample=(1,)))
    state, z = torch.randn(2, 6, 4, 4), torch.randn(2, 2, 4, 4)
    expected = cell.resnet(state + cell.z_proj(fourier_features(z, (1,))))
    torch.testing.assert_close(cell.step(state, torch.zeros_like(state), z), expected)
    # sin(2 pi (z + 1)) = sin(2 pi z), so that only the raw channels tell z and z + 1 apart.
    with torch.no_grad():
        cell.z_proj.weight[:, :2] = 0
    torch.testing.assert_close(cell.projected(z), cell.projected(z + 1))
