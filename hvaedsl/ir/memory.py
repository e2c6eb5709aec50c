"""Activation memory: what autograd keeps of each operation for the backward pass, in eager mode.

Counted from the tensors that the layers of `hvaedsl.nn` save: a GELU its input, a convolution its input, and so on; a
test holds the count against what torch saves. Weights are not counted.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Literal

from hvaedsl.ir.bridge import (
    EncoderBlock,
    Head,
    MixIn,
    Normalization,
    Operation,
    Pool,
    State,
    Stem,
    TopDownBlock,
    shape_of,
)
from hvaedsl.ir.cells import cell_kind
from hvaedsl.ir.cells.kind import CellKind
from hvaedsl.ir.fourier import Exponents, with_features

# Tensors of the shape of z that the rate and the draw keep: the difference of the means, 1 / sigma_p, the standardised
# difference, the ratio of the variances; sigma_q and the noise. Always in float32.
_GAUSSIAN_TENSORS = 6
# Tensors between the four convolutions of a bottleneck: before and after each of three GELUs.
_INNER_TENSORS = 6
# The divisor of an image's state, and whether its norm is too small to divide by.
_DIVISOR_BYTES = 5

InitialState = Literal["learned", "zeros"]
Precision = Literal["float32", "bfloat16"]
# Of a number that is computed in a precision.
BYTES: Mapping[Precision, int] = {"float32": 4, "bfloat16": 2}


def saved_bytes_per_image(op: Operation, precision_bytes: int, *, initial: InitialState | None = None) -> int:
    """Bytes kept of one application for one image; `precision_bytes` is 4 for float32, 2 for bfloat16 autocast.

    Under autocast the encoder's state is bfloat16, and the decoder's is float32: it starts as a float32 parameter and
    every cell keeps it so. The copies of the weights in bfloat16 do not grow with the batch and are not counted.
    `initial`: the incoming state of a top-down block is as it began. A learned bias is a view of the parameter, and
    zeros need no gradient, nor what is computed from them alone.
    """
    low, high, normalized = precision_bytes, 4, 0
    match op:
        case Stem():
            per_pixel: float = low * op.in_channels
        case EncoderBlock():
            per_pixel = _block_input(op.channels, op.features, low, low) + low * _INNER_TENSORS * op.mid
            normalized = _normalized(op.normalize, op.channels, op.resolution)
        case Pool():
            per_pixel = low * op.in_channels * (op.method == "average")
            normalized = _normalized(op.normalize, op.channels, op.to)
        case TopDownBlock():
            kind = cell_kind(op.cell)
            if kind is None:
                return op.measured.saved_bytes if op.measured else 0
            residual_steps = sum(part.bottleneck for part in kind.parts)
            without_gradient = op.channels if initial == "zeros" else 0
            # What the prior's GELU keeps is the learned bias, where nothing was computed from it before.
            kept_by_others = initial == "learned" and not op.branch_features and op.normalize is None
            per_pixel = (
                _block_input(3 * op.channels, op.branch_features, high, low)  # [x, a] and x
                + _block_input(op.channels * residual_steps, op.resnet_features, high, low)
                - _block_input(without_gradient, op.branch_features, high, 0)
                - high * op.channels * kept_by_others
                + low * (2 + residual_steps) * _INNER_TENSORS * op.mid
                + high * _GAUSSIAN_TENSORS * op.latent
                + _read_by_convolutions(op, kind, high, low)
                + high * op.channels * kind.kept_states
            )
            if initial != "zeros":
                normalized = _normalized(op.normalize, op.channels * (initial is None), op.resolution)
        case Head(measured=measured) if measured is not None:
            return measured.saved_bytes
        case Head():
            per_pixel = (high + low) * op.channels + high * _likelihood_numbers(op, low)
        case _:
            per_pixel = 0
    return round(per_pixel * op.resolution**2) + normalized


def saved_bytes_in_order(operations: Iterable[Operation], precision_bytes: int) -> Iterator[int]:
    """`saved_bytes_per_image` of each operation, with what those before it say of the state at its resolution."""
    initial: dict[int, InitialState] = {}
    known: dict[Hashable, int] = {}
    for op in operations:
        if isinstance(op, State):
            initial[op.resolution] = "learned" if op.learned else "zeros"
        in_decoder = isinstance(op, State | MixIn | TopDownBlock)
        before = initial.get(op.resolution) if in_decoder else None
        kind = (shape_of(op), before)
        if kind not in known:
            known[kind] = saved_bytes_per_image(op, precision_bytes, initial=before)
        yield known[kind]
        if isinstance(op, MixIn | TopDownBlock):
            initial.pop(op.resolution, None)


def _read_by_convolutions(op: TopDownBlock, kind: CellKind, high: int, low: int) -> int:
    """Bytes per pixel of what the convolutions of a cell read, and of the angles of z's features."""
    z_channels = with_features(op.latent, op.z_features)
    found = 0
    for part in kind.parts:
        if part.bottleneck:
            continue
        if part.reads == "x":
            # In float32 the prior's GELU keeps the same tensor, unless it reads features of it.
            found += low * op.channels * (low < high or bool(op.branch_features))
        else:
            found += low * (z_channels + op.channels * (part.reads == "xz"))
            found += high * op.latent * len(op.z_features)
    return found


def _block_input(channels: int, features: Exponents, bytes_before: int, low: int) -> int:
    """Bytes per pixel of what a bottleneck reads, before and after its first GELU, and of its features' angles.

    Features are computed in float32, and so is the GELU of what holds them.
    """
    if not features:
        return (bytes_before + low) * channels
    return (4 + low) * with_features(channels, features) + 4 * len(features) * channels


def _normalized(normalize: Normalization | None, channels: int, resolution: int) -> int:
    """Bytes of a state before it is divided by its norm, in float32, and of the divisor; one of a batch is left out."""
    if normalize is None:
        return 0
    return 4 * channels * resolution**2 + _DIVISOR_BYTES * normalize.startswith("sample")


def _likelihood_numbers(op: Head, low: int) -> float:
    """Numbers of four bytes that the density of a pixel keeps; a mask of truth values is a quarter of one.

    Measured with torch 2.15 for 1, 7 and 10 components: linear in their number.
    """
    if op.likelihood == "bernoulli":
        return float(low != 4)  # in float32 the logit is a view of the convolution's output and saved in its stead
    if not op.outputs:
        return 0
    if op.image_channels == 3:
        return 48.75 * (op.outputs // 10) + 2.5
    return 16.25 * (op.outputs // 3) + 0.5
