"""What each cell computes and how it reads as a discretisation: the text of `hvaedsl explain cell` and docs/cells.md.

The reading is that of Falck, Williams et al. 2022: the decoder discretises dX = mu(t, X) dt + sigma(t, X) dW, whose
state X is carried up a hierarchy of resolutions. Where a definition is not theirs, `source` says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class CellText:
    """The wording on one cell. In its equations x is the state, a the encoder's activation, z the latent."""

    name: str
    title: str
    equations: tuple[str, ...]
    reading: str
    details: str
    source: str


_TEXTS = (
    CellText(
        name="vdvae",
        title="the top-down block of VDVAE, and the default",
        equations=(
            "q(z | x, a) = N(mu_q(x, a), sigma_q(x, a)^2)",
            "p(z | x)    = N(mu_p(x), sigma_p(x)^2),  h = h(x)",
            "x' = resnet(x + h + W z + b),  resnet(u) = u + f(u)",
        ),
        reading=(
            "Two steps of the forward Euler scheme. The first adds the drift h(x) and the noise W z to the state, the "
            "second the drift f. Splitting the drift in two lets h make the norm of the state grow."
        ),
        details=(
            "h comes out of the prior's last convolution, which starts at zero. W and the last convolution of f start "
            "scaled by sqrt(1 / applications in the decoder), so that the sum over the decoder starts with a bounded "
            "variance."
        ),
        source="openai/vdvae, vae.py; the reading: Falck, Williams et al. 2022, section 3.",
    ),
    CellText(
        name="non_residual",
        title="the next state is made of z alone",
        equations=(
            "q(z | x, a) and p(z | x) as in vdvae",
            "x' = resnet(W z + b)",
        ),
        reading=(
            "Not a discretisation with small steps: the state does not persist, and whatever is to be kept has to pass "
            "through z. What remains is a Markov chain of latents."
        ),
        details=(
            "h is computed and not used, so that parameters and their names are those of vdvae and the two compare at "
            "equal size. The rows of h in the prior's last convolution get a gradient of zero."
        ),
        source=(
            "The ablation of Falck, Williams et al. 2022, Table G.12. Chosen here: that the residual step on W z + b "
            "stays, and that h stays as a parameter."
        ),
    ),
    CellText(
        name="euler_maruyama",
        title="the latent is the next state",
        equations=(
            "q(z | x, a) = N(x + mu_q(x, a), sigma_q(x, a)^2)",
            "p(z | x)    = N(x + mu_p(x), sigma_p(x)^2)",
            "x' = z",
        ),
        reading=(
            "One step of the Euler-Maruyama scheme with step size 1: drift mu and diffusion sigma are the prior's "
            "outputs, the noise is the latent's. With mu = 0 and sigma towards 0 the step is the identity."
        ),
        details=(
            "`latent` must equal the width at every resolution of the decoder. Both means hold the same x, so KL(q || "
            "p) is that of the increments z - x. There is no z projection, no residual step and no h, and nothing is "
            "scaled with depth: sigma starts near 1 in every block."
        ),
        source="Chosen here: the scheme by its name, without a published model that it could be held against.",
    ),
    CellText(
        name="nvae",
        title="the connection of NVAE: a 1x1 convolution of [x, z]",
        equations=(
            "q(z | x, a) and p(z | x) as in vdvae, without h",
            "x' = resnet(A x + B z + b),  resnet(u) = u + f(u)",
        ),
        reading=(
            "With A = I the paper's additive form: the state takes in the noise B z, then f makes a step of the "
            "forward Euler scheme. A learned A is a linear drift beside f."
        ),
        details=(
            "A starts as the identity and B as vdvae's W. It is NVAE's connection and not NVAE: the blocks are those "
            "of VDVAE, without batch normalisation, squeeze-and-excitation, depthwise convolutions and residual "
            "normal distributions."
        ),
        source=(
            "Vahdat and Kautz 2020 combine [x, z] so; x + B z: Falck, Williams et al. 2022. Chosen here: the start of "
            "A and B, and that the residual step is VDVAE's."
        ),
    ),
)

CELL_TEXTS: Mapping[str, CellText] = MappingProxyType({text.name: text for text in _TEXTS})
