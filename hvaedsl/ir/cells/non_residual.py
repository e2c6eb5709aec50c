"""The non-residual cell."""

from __future__ import annotations

from hvaedsl.ir.cells.kind import RESIDUAL_STEP, CellKind, Part

CELL = CellKind(
    name="non_residual",
    place=1,
    module="hvaedsl.nn.cells.non_residual:NonResidualCell",
    parts=(Part("z_proj", reads="z"), RESIDUAL_STEP),
    gives_h=True,
    published=True,
    wires=(("prior", "h", "unused"), ("z", "W", ""), ("W", "resnet", ""), ("resnet", "next", "")),
    title="the next state is made of z alone",
    equations=(
        "q(z | x, a) and p(z | x) as in vdvae",
        "x' = resnet(W z + b)",
    ),
    reading="Not a discretization with small steps: the state does not persist, and whatever is to be kept has to pass "
    "through z. What remains is a Markov chain of latents.",
    details="h is computed and not used, so that parameters and their names are those of vdvae and the two compare at "
    "equal size. The rows of h in the prior's last convolution get a gradient of zero.",
    source="The ablation of Falck, Williams et al. 2022, Table G.12. Chosen here: that the residual step on W z + b "
    "stays, and that h stays as a parameter.",
)
