"""The cell of VDVAE, the default."""

from __future__ import annotations

from hvaedsl.ir.cells.kind import RESIDUAL_STEP, CellKind, Part, WithoutLatent

CELL = CellKind(
    name="vdvae",
    place=0,
    module="hvaedsl.nn.cells.vdvae:VDVAECell",
    parts=(Part("z_proj", reads="z"), RESIDUAL_STEP),
    gives_h=True,
    adds_h_and_z=True,
    published=True,
    without_latent=WithoutLatent(
        module="hvaedsl.nn.cells.vdvae:VDVAEDeterministicBlock",
        next_state="resnet(x + h)",
        parts=(RESIDUAL_STEP,),
    ),
    wires=(
        ("prior", "h", ""),
        ("x", "sum", ""),
        ("h", "sum", ""),
        ("z", "W", ""),
        ("W", "sum", ""),
        ("sum", "resnet", ""),
        ("resnet", "next", ""),
    ),
    title="the top-down block of VDVAE, and the default",
    equations=(
        "q(z | x, a) = N(mu_q(x, a), sigma_q(x, a)^2)",
        "p(z | x)    = N(mu_p(x), sigma_p(x)^2),  h = h(x)",
        "x' = resnet(x + h + W z + b),  resnet(u) = u + f(u)",
    ),
    reading="Two steps of the forward Euler scheme. The first adds the drift h(x) and the noise W z to the state, the "
    "second the drift f. Splitting the drift in two lets h make the norm of the state grow.",
    details="h comes out of the prior's last convolution, which starts at zero. W and the last convolution of f start "
    "scaled by sqrt(1 / applications in the decoder), so that the sum over the decoder starts with a bounded "
    "variance.",
    source="openai/vdvae, vae.py; the reading: Falck, Williams et al. 2022, section 3.",
)
