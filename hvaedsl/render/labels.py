"""What stands in a box: the notation, how many blocks, how wide, and of a top-down block the latent's shape.

A cell other than vdvae stands before the latent.
"""

from __future__ import annotations

from hvaedsl.ir.bridge import Bridge, EncoderBlock, Head, MixIn, Pool, State, Stem, TopDownBlock
from hvaedsl.ir.pooling import wavelet_of
from hvaedsl.render.runs import Run


def box_text(run: Run, bridge: Bridge) -> tuple[str, tuple[str, ...]]:
    """Title and further lines of a run's box."""
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
            latent = f"{cell}z {op.latent}×{op.resolution}×{op.resolution}{each}"
            return run.notation, (f"{_count(run)} · {op.channels} ch", latent)
        case EncoderBlock() | Pool():
            block = bridge.operations[run.operations[0]]
            assert isinstance(block, EncoderBlock)
            return run.notation, (f"{_count(run)} · {block.channels} ch",)
        case MixIn():
            raise AssertionError("a mix-in is never the last operation of its run")


def _count(run: Run) -> str:
    blocks = len(run.groups)
    times = f" ×{run.applications}" if run.shared else ""
    return f"{blocks} block{'s' if blocks > 1 else ''}{times}"


def pool_label(pool: Pool) -> str:
    """The label of an arrow downwards: the factor, and the zero-padded channels where the width changes."""
    padded = f", {pool.in_channels} → {pool.channels} ch" if pool.in_channels != pool.channels else ""
    method = {"average": "pool", "strided": "strided"}.get(pool.method) or wavelet_of(pool.method)
    return f"{method} /{pool.factor}{padded}"


def mix_in_label(mix_in: MixIn) -> str:
    """The label of an arrow upwards: the factor, and the channels that are kept where the width changes."""
    cut = f", {mix_in.source_channels} → {mix_in.channels} ch" if mix_in.source_channels != mix_in.channels else ""
    embedding = f" {wavelet}" if (wavelet := wavelet_of(mix_in.embedding)) else ""
    return f"×{mix_in.resolution // mix_in.source} up{embedding}{cut}"


def image_text(bridge: Bridge) -> str:
    """The picture's input."""
    return f"image {bridge.image_resolution}×{bridge.image_resolution}×{bridge.image_channels}"


def likelihood_text(bridge: Bridge) -> str:
    """The picture's output."""
    return f"p(x | z): {bridge.head.likelihood}"


def lane_text(resolution: int, channels: tuple[int, ...]) -> tuple[str, str]:
    """The two lines at the left of a lane."""
    return f"{resolution} × {resolution}", f"{' / '.join(map(str, channels))} channels"
