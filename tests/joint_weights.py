"""The copies of weights that autograd keeps: they do not grow with the batch, and the compiler does not count them."""

from __future__ import annotations

import hvaedsl
from hvaedsl.ir.bridge import TopDownBlock
from hvaedsl.ir.fourier import with_features


def joint_bytes(program: hvaedsl.Program) -> int:
    """Bytes of the joint convolutions in float32, one for each set of weights: those of h beside those of z."""
    ops = (op for op in program.computed().operations if isinstance(op, TopDownBlock))
    first = [op for op in ops if op.joined and op.application == 0]
    return 4 * sum(op.channels * (op.mid + with_features(op.latent, op.z_features)) for op in first)
