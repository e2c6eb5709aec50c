"""The Euler-Maruyama cell."""

from __future__ import annotations

from hvaedsl.ir.cells.kind import CellKind

CELL = CellKind(
    name="euler_maruyama",
    place=2,
    module="hvaedsl.nn.cells.euler_maruyama:EulerMaruyamaCell",
    parts=(),
    state_is_latent=True,
    wires=(("x", "q", "+ x"), ("x", "p", "+ x"), ("z", "next", "x' = z")),
    title="the latent is the next state",
    equations=(
        "q(z | x, a) = N(x + mu_q(x, a), sigma_q(x, a)^2)",
        "p(z | x)    = N(x + mu_p(x), sigma_p(x)^2)",
        "x' = z",
    ),
    reading="One step of the Euler-Maruyama scheme with step size 1: drift mu and diffusion sigma are the prior's "
    "outputs, the noise is the latent's. With mu = 0 and sigma towards 0 the step is the identity.",
    details="`latent` must equal the width at every resolution of the decoder. Both means hold the same x, so KL(q || "
    "p) is that of the increments z - x. There is no z projection, no residual step and no h, and nothing is "
    "scaled with depth: sigma starts near 1 in every block.",
    source="Chosen here, named after the scheme; there is no published model to compare with.",
)
