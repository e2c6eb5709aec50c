"""Activation memory: what autograd keeps of each operation for the backward pass, in eager mode.

Counted from the tensors that the layers of `hvaedsl.nn` save: a GELU its input, a convolution its input, and so on; a
test holds the count against what torch saves. Weights are not counted.
"""

from __future__ import annotations

from hvaedsl.ir.bridge import EncoderBlock, Head, Operation, Pool, Stem, TopDownBlock
from hvaedsl.ir.cells import CELLS

# Tensors of the shape of z that the rate and the draw keep: the difference of the means, 1 / sigma_p, the standardised
# difference, the ratio of the variances; sigma_q and the noise. Always in float32.
_GAUSSIAN_TENSORS = 6
# Tensors between the four convolutions of a bottleneck: before and after each of three GELUs.
_INNER_TENSORS = 6


def saved_bytes_per_image(op: Operation, precision_bytes: int, *, reads_initial_state: bool = False) -> int:
    """Bytes kept of one application for one image; `precision_bytes` is 4 for float32, 2 for bfloat16 autocast.

    Under autocast the encoder's state is bfloat16, and the decoder's is float32: it starts as a float32 parameter and
    every cell keeps it so. The copies of the weights in bfloat16 do not grow with the batch and are not counted.
    `reads_initial_state`: a top-down block whose incoming state is as it began keeps no tensor of its own for it: a
    learned bias is a view of the parameter, and zeros need no gradient.
    """
    low, high = precision_bytes, 4
    match op:
        case Stem():
            per_pixel: float = low * op.in_channels
        case EncoderBlock():
            per_pixel = low * (2 * op.channels + _INNER_TENSORS * op.mid)
        case Pool():
            per_pixel = low * op.in_channels
        case TopDownBlock():
            parts = CELLS[op.cell]
            entry = {None: 0, "z_proj": op.latent, "combiner": op.channels + op.latent}[parts.entry]
            per_pixel = (
                # [x, a], x and the residual step's input, each before and after its GELU
                (high + low) * (3 + parts.resnet) * op.channels
                - high * op.channels * reads_initial_state
                + low * (2 + parts.resnet) * _INNER_TENSORS * op.mid
                + high * _GAUSSIAN_TENSORS * op.latent
                + low * entry  # z, or [x, z], before its convolution
            )
        case Head():
            per_pixel = (high + low) * op.channels + high * _likelihood_numbers(op)
        case _:
            per_pixel = 0
    return round(per_pixel * op.resolution**2)


def _likelihood_numbers(op: Head) -> float:
    """Numbers of four bytes that the density of a pixel keeps; a mask of truth values is a quarter of one.

    Measured with torch 2.15 for 1, 7 and 10 components: linear in their number.
    """
    if op.likelihood == "bernoulli":
        return 0  # the logit is a view of the convolution's output and saved in its stead
    if op.image_channels == 3:
        return 48.75 * (op.outputs // 10) + 2.5
    return 16.25 * (op.outputs // 3) + 0.5
