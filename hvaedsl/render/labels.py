"""The text of boxes, arrows and lanes, and estimates of its width.

A box has the notation, the number of blocks and channels, and for top-down blocks the latent's shape, or `no z`,
preceded by the cell unless it is vdvae. A residual block other than the default is in the line of the count.
"""

from __future__ import annotations

import unicodedata

from hvaedsl.ir.bridge import Block, Bridge, EncoderBlock, Head, MixIn, Pool, State, Stem, TopDownBlock
from hvaedsl.ir.pooling import wavelet_of
from hvaedsl.ir.residual_blocks import DEFAULT_BLOCK
from hvaedsl.render.runs import Run

_REGULAR_EM = 0.64  # the widest common fallback font (DejaVu Sans) averages 0.6 em on the labels drawn here
_BOLD_EM = 0.73
_WIDE_EM = 1.05


def box_text(run: Run, bridge: Bridge) -> tuple[str, tuple[str, ...]]:
    """Return the title and lines of the box of a run."""
    op = bridge.operations[run.operations[-1]]
    match op:
        case Stem():
            return "", (f"stem · conv {op.kernel}×{op.kernel}",)
        case State():
            return "", ("learned bias" if op.learned else "zeros",)
        case Head():
            return "", (f"head · conv 1×1 · {op.outputs} ch",)
        case Pool() if run.role == "pooled":
            return "", (f"pooled · {op.channels} ch",)
        case TopDownBlock():
            each = " each" if len(run.groups) * run.applications > 1 else ""
            cell = f"{op.cell} · " if op.cell != "vdvae" else ""
            height, width = op.size
            latent = f"{cell}z {op.latent}×{height}×{width}{each}" if op.draws else f"{cell}no z"
            return run.notation, (f"{_count(run)} · {op.channels} ch{_block(op)}", latent)
        case EncoderBlock() | Pool():
            block = bridge.operations[run.operations[0]]
            assert isinstance(block, EncoderBlock)
            return run.notation, (f"{_count(run)} · {block.channels} ch{_block(block)}",)
        case MixIn():
            raise AssertionError("a mix-in is never the last operation of its run")


def _block(op: Block) -> str:
    return "" if op.block == DEFAULT_BLOCK else f" · {op.block}"


def _count(run: Run) -> str:
    blocks = len(run.groups)
    times = f" ×{run.applications}" if run.shared else ""
    return f"{blocks} block{'s' if blocks > 1 else ''}{times}"


def pool_label(pool: Pool) -> str:
    """Return the label of a pooling: the factor, and the channels if the width changes."""
    padded = f", {pool.in_channels} → {pool.channels} ch" if pool.in_channels != pool.channels else ""
    method = {"average": "pool", "strided": "strided"}.get(pool.method) or wavelet_of(pool.method)
    return f"{method} /{pool.factor}{padded}"


def mix_in_label(mix_in: MixIn) -> str:
    """Return the label of a mix-in: the factor, and the channels if the width changes."""
    cut = f", {mix_in.source_channels} → {mix_in.channels} ch" if mix_in.source_channels != mix_in.channels else ""
    embedding = f" {wavelet}" if (wavelet := wavelet_of(mix_in.embedding)) else ""
    return f"×{mix_in.resolution // mix_in.source} up{embedding}{cut}"


def image_text(bridge: Bridge) -> str:
    """Return the text of the input box."""
    height, width = bridge.head.size
    return f"image {height}×{width}×{bridge.image_channels}"


def likelihood_text(bridge: Bridge) -> str:
    """Return the text of the output box."""
    return f"p(x | z): {bridge.head.likelihood}"


def lane_text(size: tuple[int, int], channels: tuple[int, ...]) -> tuple[str, str]:
    """Return the two lines of text at the left of a lane; `size` is height and width."""
    return f"{size[0]} × {size[1]}", f"{' / '.join(map(str, channels))} channels"


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return an upper estimate of the width of one line of text, in points; `size` is the font size in points."""
    narrow = _BOLD_EM if bold else _REGULAR_EM
    return size * sum(_WIDE_EM if unicodedata.east_asian_width(letter) in "WF" else narrow for letter in text)
