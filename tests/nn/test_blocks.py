from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from hvaedsl.nn.blocks import Bottleneck, conv


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def convolve(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Cross-correlation by its definition: one shifted product per place of the kernel."""
    height, width = x.shape[2:]
    reach = weight.shape[-1] // 2
    padded = torch.zeros(*x.shape[:2], height + 2 * reach, width + 2 * reach)
    padded[:, :, reach : reach + height, reach : reach + width] = x
    out = bias.view(1, -1, 1, 1).expand(x.shape[0], -1, height, width)
    for i, j in product(range(weight.shape[-1]), repeat=2):
        out = out + torch.einsum("bchw,oc->bohw", padded[:, :, i : i + height, j : j + width], weight[:, :, i, j])
    return out


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize(("out_channels", "residual"), [(7, False), (4, False), (4, True)])
def test_bottleneck_is_its_formula(kernel: int, out_channels: int, residual: bool) -> None:
    block = Bottleneck(4, 3, out_channels, kernel, residual=residual)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 4, 5, 6)
    expected = x
    for layer in (block.c1, block.c2, block.c3, block.c4):
        assert layer.bias is not None
        expected = convolve(gelu(expected), layer.weight, layer.bias)
    if residual:
        expected = x + expected
    torch.testing.assert_close(block(x), expected, rtol=1e-12, atol=1e-12)


def test_parameters_have_the_published_shapes() -> None:
    shapes = {name: tuple(p.shape) for name, p in Bottleneck(8, 2, 12, 3, residual=False).named_parameters()}
    assert shapes == {
        "c1.weight": (2, 8, 1, 1),
        "c1.bias": (2,),
        "c2.weight": (2, 2, 3, 3),
        "c2.bias": (2,),
        "c3.weight": (2, 2, 3, 3),
        "c3.bias": (2,),
        "c4.weight": (12, 2, 1, 1),
        "c4.bias": (12,),
    }


def test_conv_starts_as_torchs_default_with_zero_bias() -> None:
    torch.manual_seed(5)
    default = torch.nn.Conv2d(3, 6, 3, padding=1)
    torch.manual_seed(5)
    ours = conv(3, 6, 3)
    assert torch.equal(ours.weight, default.weight)
    assert ours.bias is not None
    assert ours.bias.tolist() == [0] * 6
    after = torch.rand(())
    torch.manual_seed(5)
    torch.nn.Conv2d(3, 6, 3, padding=1)
    assert torch.rand(()) == after


def test_last_convolution_is_scaled_and_zeroed() -> None:
    block = Bottleneck(4, 3, 4, 3, residual=True)
    x = torch.randn(2, 4, 5, 5)
    increment = block(x) - x
    block.scale_last_(0.25)
    torch.testing.assert_close(block(x) - x, 0.25 * increment)
    block.zero_last_()
    assert torch.equal(block(x), x)
    assert block.c4.weight.requires_grad


def test_gradients() -> None:
    block = Bottleneck(3, 2, 3, 3, residual=True)
    assert torch.autograd.gradcheck(block, (torch.randn(1, 3, 3, 3, requires_grad=True),))


def test_refuses_what_it_cannot_be() -> None:
    with pytest.raises(ValueError, match="kernel must be one of"):
        conv(3, 3, 2)
    with pytest.raises(ValueError, match="keeps its channels, but has 3 in and 4 out"):
        Bottleneck(3, 2, 4, 3, residual=True)
