"""The description of a cell: its name, module, parts, diagram and text. Imports no torch.

Posterior and prior are bottlenecks, alike in every cell. The parts follow them.
"""

from __future__ import annotations

from typing import Literal

from hvaedsl.diagnostics.record import Record


class Part(Record):
    """A module of a cell that makes the next state; only the outgoing state trains it.

    A 1x1 convolution to the channels of the state, or the residual step: the residual block of `model.block`.
    """

    name: str
    reads: Literal["z", "xz", "x"]  # z with its Fourier features; x is the state or what has been made of it
    bottleneck: bool = False


class WithoutLatent(Record):
    """The block that a cell becomes at a resolution with latent 0: a function of the state alone.

    Its prior has h as its only output; a cell whose prior gives no h has none.
    """

    module: str  # package.module:Class
    next_state: str
    parts: tuple[Part, ...]


RESIDUAL_STEP = Part("resnet", reads="x", bottleneck=True)

# Tail, head and label of an arrow in the picture of a cell; the signs are those of `hvaedsl.render.cells`.
Wire = tuple[str, str, str]


class CellKind(Record, kw_only=True):
    """A cell. In its equations x is the state, a the encoder's activation, z the latent.

    `kept_states` is for the count of activation memory: how many tensors of the state's shape autograd keeps of a step
    beside what its parts read.
    """

    name: str
    module: str  # package.module:Class
    parts: tuple[Part, ...]
    gives_h: bool = False  # the prior gives an increment h beside p(z | x)
    state_is_latent: bool = False  # x' = z, so that both have as many channels
    adds_h_and_z: bool = False  # the next state has the sum of h and a 1x1 convolution of z
    published: bool = False  # openai/vdvae has names for its parameters
    kept_states: int = 0
    without_latent: WithoutLatent | None = None  # None if the cell needs a latent

    title: str
    equations: tuple[str, ...]
    reading: str  # as a discretization of dX = mu(t, X) dt + sigma(t, X) dW
    details: str
    source: str
    wires: tuple[Wire, ...]  # beside those of posterior and prior
    place: int = 99  # in lists; cells of one place are in the order of their names

    @property
    def next_state(self) -> str:
        """What x' is, from its equation."""
        (equation,) = (item for item in self.equations if item.startswith("x' = "))
        return equation.removeprefix("x' = ").partition(",  ")[0]

    @property
    def uses_h(self) -> bool:
        """Whether the next state depends on h."""
        return any(tail == "h" for tail, _, _ in self.wires)

    @property
    def reads_z(self) -> bool:
        """Whether a part reads z, and so can read its Fourier features."""
        return any("z" in part.reads for part in self.parts)

    @property
    def has_block(self) -> bool:
        """Whether a part is the residual step, which `model.block` is for."""
        return any(part.bottleneck for part in self.parts)

    def parts_of(self, *, draws: bool) -> tuple[Part, ...]:
        """The parts of a block that draws a latent, or of one that does not."""
        if draws:
            return self.parts
        return self.without_latent.parts if self.without_latent is not None else ()

    @property
    def outgoing(self) -> tuple[str, ...]:
        """The names of the parts; posterior and prior get a gradient from the rate."""
        return tuple(part.name for part in self.parts)
