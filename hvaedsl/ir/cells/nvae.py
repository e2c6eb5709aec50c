"""The cell with NVAE's connection."""

from __future__ import annotations

from hvaedsl.ir.cells.kind import RESIDUAL_STEP, CellKind, Part, WithoutLatent

CELL = CellKind(
    name="nvae",
    place=3,
    module="hvaedsl.nn.cells.nvae:NVAECell",
    parts=(Part("combiner", reads="xz"), RESIDUAL_STEP),
    without_latent=WithoutLatent(
        module="hvaedsl.nn.cells.nvae:NVAEDeterministicBlock",
        next_state="resnet(A x + b)",
        parts=(Part("combiner", reads="x"), RESIDUAL_STEP),
    ),
    wires=(("x", "AB", ""), ("z", "AB", ""), ("AB", "resnet", ""), ("resnet", "next", "")),
    title="the connection of NVAE: a 1x1 convolution of [x, z]",
    equations=(
        "q(z | x, a) and p(z | x) as in vdvae, without h",
        "x' = resnet(A x + B z + b),  resnet(u) = u + f(u)",
    ),
    reading="With A = I the paper's additive form: the state takes in the noise B z, then f makes a step of the "
    "forward Euler scheme. A learned A is a linear drift beside f.",
    details="A starts as the identity and B as vdvae's W. It is NVAE's connection and not NVAE: the blocks are those "
    "of VDVAE, without batch normalization, squeeze-and-excitation, depthwise convolutions and residual "
    "normal distributions.",
    source="Vahdat and Kautz 2020 combine [x, z] this way; x + B z is from Falck, Williams et al. 2022. Chosen here: "
    "the initial A and B, and the residual step of VDVAE.",
)
