"""Activation memory: what autograd keeps of one operation for the backward pass, in eager mode.

Counted from the tensors that the layers of `hvaedsl.nn` save: a GELU its input, a convolution its input, and so on; a
test compares the count with the storages that torch keeps. Weights are not counted. `hvaedsl.ir.storages` has the
count of a whole model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from hvaedsl.ir.bridge import Block, EncoderBlock, Head, Normalization, Operation, Pool, Stem, TopDownBlock
from hvaedsl.ir.cells import cell_kind
from hvaedsl.ir.cells.kind import Part
from hvaedsl.ir.fourier import Exponents, with_features
from hvaedsl.ir.likelihood import INDEPENDENT, PUBLISHED_LEVELS
from hvaedsl.ir.residual_blocks import attention_heads, block_kind, norm_groups

# Tensors with the shape of z that the KL and the sampling of z keep, in float32: the difference of the means,
# 1 / sigma_p, the standardized difference and the ratio of the variances; sigma_q and the noise.
_GAUSSIAN_TENSORS = 6
# Tensors between the four convolutions of a bottleneck: before and after each of three GELUs.
_INNER_TENSORS = 6
# Tensors that the discretized logistic keeps, with a number for each channel and component: 1 / scale; the distances of
# the bin's center and edges from the mean, and the three by 1 / scale; two sigmoids; the bin's mass, and its clamp.
_LOGISTIC_TENSORS = 11
# Above 256 levels: 1 / scale; the distances of the edges, and these by 1 / scale; the part of the mass that depends on
# the scale alone, before its logarithm and before its difference from 1; one sign.
_FINE_LOGISTIC_TENSORS = 8
# Mean and standard deviation of a group of channels, in float32.
_GROUP_BYTES = 8
# Numbers that a density keeps for each channel: 1 / scale; the distance of the value from the location, and this by the
# scale. The products of a color's coefficients read the image itself.
_DENSITY_TENSORS = 3
# The divisor of an image's state (4 bytes), and the mask of norms too small to divide by (1 byte).
_DIVISOR_BYTES = 5

Precision = Literal["float32", "bfloat16"]
# Bytes of a number by the precision of the computation.
BYTES: Mapping[Precision, int] = {"float32": 4, "bfloat16": 2}
# Bytes of a number that is always float32: a state of the decoder starts as a float32 parameter, and every cell keeps
# the type; norms, features and densities are computed in float32.
HIGH = 4


class Kept(NamedTuple):
    """What autograd keeps of one application to one image.

    `own_bytes` are those of the tensors that the operation makes. The incoming state, the activation of the encoder
    that it reads, and the GELU of that (of `activated_bytes`), may be kept by other operations too.
    """

    own_bytes: int = 0
    keeps_state: bool = False
    keeps_activation: bool = False
    activated_bytes: int = 0


def kept_by(op: Operation, low: int, *, has_gradient: bool) -> Kept:
    """What an operation keeps; `low` is 4 bytes for float32, 2 for bfloat16 autocast.

    Under autocast the encoder's state is bfloat16. The bfloat16 copies of the weights do not grow with the batch and
    are not counted. `has_gradient` says whether the incoming state has one: zeros have none, and layers without weights
    keep nothing of tensors that are computed from zeros alone.
    """
    pixels = op.pixels
    match op:
        case Stem():
            # An image of one channel has the layout of a state already, so that no copy is made in float32.
            return Kept(low * op.in_channels * pixels * (op.in_channels > 1 or low < HIGH))
        case EncoderBlock():
            block = _kept_by_block(op, op.features, low)
            own = _before_norm(op.normalize, op.channels) * pixels + _divisor(op.normalize)
            return Kept(block.own_bytes + own, block.keeps_state)
        case Pool():
            # The padding copies the state even if no channel is missing, so that it is never a view.
            own = _before_norm(op.normalize, op.channels) * math.prod(op.size_at(op.to)) + _divisor(op.normalize)
            return Kept(own, keeps_state=op.method == "average")
        case TopDownBlock():
            return _kept_by_cell(op, low, has_gradient)
        case Head(measured=measured) if measured is not None:
            return Kept(measured.saved_bytes, keeps_state=True)
        case Head():
            return Kept((low * op.channels + _likelihood_bytes(op)) * pixels, keeps_state=True)
        case _:
            return Kept()


def _kept_by_block(op: Block, features: Exponents, low: int) -> Kept:
    """What the residual block of an operation keeps; its input is the state. Nothing of a custom block is known until
    it is measured.
    """
    kind, measured = block_kind(op.block), op.measured_block
    if kind is None:
        return Kept() if measured is None else Kept(measured.saved_bytes, measured.keeps_input)
    made = _before_gelu(op.channels, features) if features else 0
    inside = _first_convolution(op.channels, features, low) + low * _INNER_TENSORS * op.mid
    own = (made + inside) * op.pixels + (_kept_by_attention(op, low) if kind.attends else 0)
    return Kept(own, keeps_state=not features)


def _kept_by_attention(op: Block, low: int) -> int:
    """What self-attention keeps, computed by a fused kernel, which does not keep the weights of the positions.

    CPUs and GPUs have one for every shape here: it keeps queries, keys and values, its result, and in float32 the
    logarithm of each softmax's denominator.
    """
    normalized = HIGH + low  # what the normalization reads, and the first convolution
    read = low * (3 + 1)  # q, k, v and the result
    per_pixel = (normalized + read) * op.channels + HIGH * attention_heads(op.channels, op.block)
    return per_pixel * op.pixels + _GROUP_BYTES * norm_groups(op.channels)


def _kept_by_cell(op: TopDownBlock, low: int, has_gradient: bool) -> Kept:
    kind = cell_kind(op.cell)
    divisor = _divisor(op.normalize) * has_gradient
    norm_keeps_state = op.normalize is not None and has_gradient
    if kind is None:
        return Kept(op.measured.saved_bytes + divisor if op.measured else 0, keeps_state=norm_keeps_state)

    # The posterior reads [x, a], the prior x. Its GELU keeps the state itself, unless it reads features of it. A
    # hoisted posterior reads x alone, and what it takes of a is kept by nothing; with one GELU, the prior reads that.
    branches, parts = op.branch_features, kind.parts_of(draws=op.draws)
    has_prior = bool(op.latent or kind.gives_h)
    of_posterior = 2 - (op.hoisted is not None) if op.draws else 0
    of_prior = has_prior and not (op.hoisted and op.one_gelu)
    per_pixel = _first_convolution((of_posterior + of_prior) * op.channels, branches, low)
    reads_apart = op.one_gelu or op.hoisted is not None  # GELU of x and of a, not of both as one tensor
    if op.draws and not reads_apart and (has_gradient or op.reads is not None):
        per_pixel += _before_gelu(2 * op.channels, branches)
    if has_prior and has_gradient and branches:
        per_pixel += _before_gelu(op.channels, branches)
    reads_state = (has_prior and has_gradient and not branches) or _convolves_state(parts, low)
    if reads_state and op.normalize is not None:
        per_pixel += HIGH * op.channels  # the normalized state, a tensor of its own

    # The latent, and the parts that make the next state.
    per_pixel += low * (op.draws + has_prior) * _INNER_TENSORS * op.mid
    per_pixel += HIGH * _GAUSSIAN_TENSORS * op.latent * op.draws
    per_pixel += low * op.mid * op.joined  # what the prior's last convolution reads, a second time beside z
    per_pixel += _read_by_convolutions(op, parts, low) + HIGH * op.channels * kind.kept_states * op.draws

    # What the residual step reads is no state, but a tensor of the cell.
    steps = [_kept_by_block(op, op.resnet_features, low) for part in parts if part.bottleneck]
    of_steps = sum(step.own_bytes + HIGH * op.channels * op.pixels * step.keeps_state for step in steps)
    return Kept(
        per_pixel * op.pixels + of_steps + divisor,
        keeps_state=reads_state if op.normalize is None else norm_keeps_state,
        keeps_activation=reads_apart and op.reads is not None,
        activated_bytes=low * op.channels * op.pixels if op.hoisted is not None else 0,
    )


def _before_gelu(channels: int, features: Exponents) -> int:
    """Bytes per pixel of what the first GELU of a bottleneck reads, in float32, and of the angles of its features."""
    return HIGH * (with_features(channels, features) + len(features) * channels)


def _first_convolution(channels: int, features: Exponents, low: int) -> int:
    """Bytes per pixel of what the first convolution of a bottleneck reads."""
    return low * with_features(channels, features)


def _convolves_state(parts: Iterable[Part], low: int) -> bool:
    """Whether a convolution of a cell keeps the state itself, and not a copy in bfloat16."""
    return low == HIGH and any(part.reads == "x" for part in parts if not part.bottleneck)


def _read_by_convolutions(op: TopDownBlock, parts: Iterable[Part], low: int) -> int:
    """Bytes per pixel of what the convolutions of a cell read beside the state, and of the angles of z's features."""
    z_channels = with_features(op.latent, op.z_features)
    found = 0
    for part in parts:
        if part.bottleneck:
            continue
        if part.reads == "x":
            found += low * op.channels * (low < HIGH)
        else:
            found += low * (z_channels + op.channels * (part.reads == "xz"))
            found += HIGH * op.latent * len(op.z_features)
    return found


def _before_norm(normalize: Normalization | None, channels: int) -> int:
    """Bytes per pixel of a state before its normalization, in float32."""
    return 0 if normalize is None else HIGH * channels


def _divisor(normalize: Normalization | None) -> int:
    """Bytes of the divisor of an image; that of a batch is neglected."""
    return _DIVISOR_BYTES if normalize is not None and normalize.startswith("sample") else 0


def _likelihood_bytes(op: Head) -> int:
    """Bytes per pixel that the likelihood keeps: float32 numbers, and comparisons of one byte."""
    channels = op.image_channels
    if op.likelihood == "bernoulli":
        return HIGH  # the logit
    if not op.outputs:
        return 0
    coupled = channels == 3 and INDEPENDENT not in op.likelihood
    if op.likelihood.startswith("gaussian"):
        return HIGH * (op.outputs + (_DENSITY_TENSORS + coupled) * channels)
    mixtures = op.outputs // (10 if coupled else 1 + 2 * channels)
    logistics = channels * mixtures
    coefficients = logistics if coupled else 0  # after their tanh
    # For each component log_softmax and the sum over channels, and for each pixel the result of logsumexp.
    fine = op.levels > PUBLISHED_LEVELS
    of_logistic = _FINE_LOGISTIC_TENSORS if fine else _LOGISTIC_TENSORS
    numbers = op.outputs + coefficients + of_logistic * logistics + 2 * mixtures + 1
    # Is the mass of a bin large enough (published form), and is the pixel at the lower or the upper end.
    comparisons = (0 if fine else logistics) + 2 * channels
    return HIGH * numbers + comparisons
