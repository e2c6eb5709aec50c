"""Activation memory: the bytes that autograd keeps of each operation for the backward pass, in eager mode.

Counted from the tensors that the layers of `hvaedsl.nn` save: a GELU its input, a convolution its input, and so on; a
test compares the count with the tensors that torch saves. Weights are not counted.
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

# Tensors with the shape of z that the KL and the sampling of z keep, in float32: the difference of the means,
# 1 / sigma_p, the standardized difference and the ratio of the variances; sigma_q and the noise.
_GAUSSIAN_TENSORS = 6
# Tensors between the four convolutions of a bottleneck: before and after each of three GELUs.
_INNER_TENSORS = 6
# The divisor of an image's state (4 bytes), and the mask of norms too small to divide by (1 byte).
_DIVISOR_BYTES = 5

InitialState = Literal["learned", "zeros"]
Precision = Literal["float32", "bfloat16"]
# Bytes of a number by the precision of the computation.
BYTES: Mapping[Precision, int] = {"float32": 4, "bfloat16": 2}


def saved_bytes_per_image(op: Operation, precision_bytes: int, *, initial: InitialState | None = None) -> int:
    """Bytes kept by one application for one image; `precision_bytes` is 4 for float32, 2 for bfloat16 autocast.

    Under autocast the encoder's state is bfloat16 and the decoder's is float32, since it starts as a float32 parameter
    and every cell keeps the type. The bfloat16 copies of the weights do not grow with the batch and are not counted.
    `initial` is given if the incoming state of a top-down block is still the initial one: a learned bias is a view of
    the parameter, and zeros, and everything computed from zeros only, need no gradient.
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
            # The prior's GELU then keeps the learned bias itself, which is a parameter.
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
    """`saved_bytes_per_image` of each operation, with `initial` taken from the operations before it."""
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
    """Bytes per pixel of a bottleneck's input, before and after its first GELU, and of the angles of its features.

    Features, and the GELU of an input with features, are computed in float32.
    """
    if not features:
        return (bytes_before + low) * channels
    return (4 + low) * with_features(channels, features) + 4 * len(features) * channels


def _normalized(normalize: Normalization | None, channels: int, resolution: int) -> int:
    """Bytes of a state before its normalization, in float32, and of its divisor; that of a batch is neglected."""
    if normalize is None:
        return 0
    return 4 * channels * resolution**2 + _DIVISOR_BYTES * normalize.startswith("sample")


def _likelihood_numbers(op: Head, low: int) -> float:
    """Numbers of four bytes that the likelihood keeps per pixel; a boolean counts as a quarter.

    Measured with torch 2.15 for 1, 7 and 10 components: linear in their number.
    """
    if op.likelihood == "bernoulli":
        return float(low != 4)  # in float32 the logit is a view of the convolution's output, which is counted already
    if not op.outputs:
        return 0
    if op.image_channels == 3:
        return 48.75 * (op.outputs // 10) + 2.5
    return 16.25 * (op.outputs // 3) + 0.5
