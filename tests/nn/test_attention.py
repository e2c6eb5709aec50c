"""The residual block with self-attention."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from hvaedsl.ir.residual_blocks import attention_heads, norm_groups
from hvaedsl.nn.attention import AttentionBlock
from hvaedsl.nn.blocks import Bottleneck, ResidualBlock


def by_hand(block: AttentionBlock, u: Tensor) -> Tensor:
    """What attention adds to u [B, C, H, W], written with sums over positions."""
    groups, eps = block.norm.num_groups, block.norm.eps
    inside = u.reshape(u.shape[0], groups, -1)
    centered = inside - inside.mean(2, keepdim=True)
    normed = (centered / (inside.var(2, keepdim=True, unbiased=False) + eps).sqrt()).reshape(u.shape)
    normed = normed * block.norm.weight[:, None, None] + block.norm.bias[:, None, None]
    qkv = at_each_position(block.qkv, normed)
    q, k, v = (part.reshape(u.shape[0], block.heads, -1, u.shape[2] * u.shape[3]) for part in qkv.chunk(3, dim=1))
    weights = (torch.einsum("bhdi,bhdj->bhij", q, k) / math.sqrt(q.shape[2])).softmax(dim=3)
    read = torch.einsum("bhij,bhdj->bhdi", weights, v).reshape(u.shape)
    return at_each_position(block.out, read)


def at_each_position(layer: nn.Conv2d, x: Tensor) -> Tensor:
    assert layer.bias is not None
    return torch.einsum("oc,bchw->bohw", layer.weight[:, :, 0, 0], x) + layer.bias[:, None, None]


@pytest.mark.parametrize(("channels", "size"), [(1, (3, 5)), (6, (1, 1)), (192, (4, 4)), (130, (2, 3))])
def test_it_is_the_residual_block_and_then_attention(channels: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    block = AttentionBlock(channels, 3, 3).double()
    torch.nn.init.normal_(block.out.weight)
    x = torch.randn(2, channels, *size, dtype=torch.float64)
    u = Bottleneck.forward(block, x)
    torch.testing.assert_close(block(x), u + by_hand(block, u), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("channels", "heads"), [(6, 3), (16, 16), (96, 2)])
def test_a_number_of_heads(channels: int, heads: int) -> None:
    torch.manual_seed(0)
    block = AttentionBlock(channels, 3, 3, heads=heads).double()
    torch.nn.init.normal_(block.out.weight)
    x = torch.randn(2, channels, 3, 4, dtype=torch.float64)
    u = Bottleneck.forward(block, x)
    assert block.heads == heads
    torch.testing.assert_close(block(x), u + by_hand(block, u), rtol=1e-10, atol=1e-10)
    one = AttentionBlock(channels, 3, 3, heads=1).double()
    one.load_state_dict(block.state_dict())
    assert (one(x) - block(x)).abs().max() > 1e-3
    with pytest.raises(ValueError, match=f"the number of heads, 5, must divide the {channels} channels"):
        AttentionBlock(channels, 3, 3, heads=5)


def test_it_starts_as_the_residual_block() -> None:
    torch.manual_seed(0)
    block = AttentionBlock(8, 2, 3)
    torch.manual_seed(0)
    plain = ResidualBlock(8, 2, 3)
    for each in (block, plain):
        each.scale_for_depth_(4)
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(block(x), plain(x))
    assert [*plain.state_dict()] == [name for name in block.state_dict() if name.startswith("c")]


@pytest.mark.parametrize("channels", [1, 3, 4, 16, 37, 64, 96, 128, 130, 192, 384, 512])
def test_heads_and_groups_are_those_that_are_counted(channels: int) -> None:
    block = AttentionBlock(channels, 1, 1)
    assert (block.heads, block.norm.num_groups) == (attention_heads(channels), norm_groups(channels))
    assert channels % block.heads == channels % block.norm.num_groups == 0
    assert block.heads == 1 or channels // block.heads >= 64
