"""The residual blocks of the encoder and of a cell's residual step, which `model.block` names. Torch-free.

A block is a name, a call such as `attention(heads = 4)`, or the name of a custom one. The bridge has calls without
spaces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.divisors import largest_divisor


class BlockKind(Record, kw_only=True):
    """A residual block. In its equations x is its input, [B, channels, H, W], and f four convolutions (VDVAE)."""

    name: str
    module: str  # package.module:Class
    title: str
    equations: tuple[str, ...]
    details: str
    source: str
    attends: bool = False  # self-attention over the positions follows the convolutions


RESIDUAL = BlockKind(
    name="residual",
    module="hvaedsl.nn.blocks:ResidualBlock",
    title="the four convolutions of VDVAE, and the default",
    equations=("x' = x + f(x)",),
    details="f is a 1x1 convolution to the inner channels, two 3x3 convolutions (1x1 at resolutions 2 and 1) and a 1x1 "
    "convolution back, with a GELU before each.",
    source="openai/vdvae, vae.py.",
)
ATTENTION = BlockKind(
    name="attention",
    module="hvaedsl.nn.attention:AttentionBlock",
    title="the residual block, followed by self-attention over all positions",
    equations=(
        "u = x + f(x)",
        "(q, k, v) = A norm(u) + c",
        "x' = u + W [softmax(q k^T / sqrt(d)) v for each head] + b",
    ),
    details="norm is a group normalization, with at most 32 groups of at least 4 channels. There is one head for each "
    "64 channels, with d channels each; fewer if they do not divide the channels. `attention(heads = n)` has n heads, "
    "which must divide the channels; their number changes no weight's shape. W starts at zero, so that the block "
    "starts as the residual block. Positions are not encoded: the convolutions before it have seen them.",
    source="The attention of Ho et al. 2020 (DDPM), with several heads as in Dhariwal and Nichol 2021. Chosen here: "
    "that it follows VDVAE's residual block.",
    attends=True,
)

BLOCKS: Mapping[str, BlockKind] = MappingProxyType({kind.name: kind for kind in (RESIDUAL, ATTENTION)})
BLOCK_NAMES: tuple[str, ...] = tuple(BLOCKS)
DEFAULT_BLOCK = RESIDUAL.name
_WITH_HEADS = re.compile(r"attention\(heads ?= ?([1-9][0-9]*)\)")


def block_kind(block: str) -> BlockKind | None:
    """The residual block of a name or call; None for a custom one."""
    return None if is_custom(block) else BLOCKS[block.partition("(")[0]]


def with_heads(heads: int) -> str:
    """The attention block with a number of heads, as a spec has it."""
    return f"{ATTENTION.name}(heads = {heads})"


def in_bridge(block: str) -> str:
    """A block as the bridge has it."""
    return block.replace(" ", "")


def given_heads(block: str) -> int | None:
    """The number of heads that a block is called with; None if it is not."""
    found = _WITH_HEADS.fullmatch(block) if "(" in block else None
    return None if found is None else int(found[1])


def attention_heads(channels: int, block: str = ATTENTION.name) -> int:
    """The heads of self-attention: those that the block is called with.

    Otherwise one for each 64 channels, or the most below that which divide the channels.
    """
    return given_heads(block) or largest_divisor(channels, channels // 64)


def norm_groups(channels: int) -> int:
    """The groups of the normalization before self-attention: at most 32, of at least 4 channels."""
    return largest_divisor(channels, min(32, channels // 4))


def _known(block: str) -> str:
    if block not in BLOCKS and not is_custom(block) and given_heads(block) is None:
        raise ValueError(f"unknown block `{block}`")
    return block


# One of the blocks here, as a name or a call, or a custom one, `package.module:Name`.
BlockReference = Annotated[str, AfterValidator(_known)]
