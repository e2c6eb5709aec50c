"""The recipe of docs/architecture.md for a new cell: two files, and everything knows it."""

from __future__ import annotations

import pytest

from tests.recipes.conftest import Tree

DESCRIPTOR = '''"""A cell of a test."""

from __future__ import annotations

from hvaedsl.ir.cells.kind import CellKind, Part

CELL = CellKind(
    name="gated",
    module="hvaedsl.nn.cells.gated:GatedCell",
    parts=(Part("z_proj", reads="z"), Part("gate", reads="x")),
    kept_states=2,
    title="a gate lets z in",
    equations=("q(z | x, a) and p(z | x) as in vdvae, without h", "x' = x + sigmoid(G x) * (W z + b)"),
    reading="A step whose size depends on the state.",
    details="Nothing is scaled but W.",
    source="Chosen here.",
    wires=(("z", "W", ""), ("x", "G x", ""), ("W", "sum", ""), ("G x", "sum", ""), ("sum", "next", "")),
)
'''

MODULE = '''"""A cell of a test."""

from __future__ import annotations

import torch
from torch import Tensor

from hvaedsl.nn.blocks import conv
from hvaedsl.nn.cells.base import Cell
from hvaedsl.nn.fourier import NO_FEATURES, CellFeatures, features_channels, fourier_features


class GatedCell(Cell):
    """A gate lets z in."""

    def __init__(
        self, channels: int, mid_channels: int, latent: int, kernel: int, features: CellFeatures = NO_FEATURES
    ) -> None:
        super().__init__(channels, mid_channels, latent, kernel, features)
        self.z_proj = conv(features_channels(latent, features.sample), channels, 1)
        self.gate = conv(channels, channels, 1)

    def _scale_(self, factor: float) -> None:
        self.z_proj.weight.mul_(factor)

    def step(self, state: Tensor, h: Tensor, z: Tensor) -> Tensor:
        """The next state."""
        return state + torch.sigmoid(self.gate(state)) * self.z_proj(fourier_features(z, self.features.sample))
'''

CHECK = """
import subprocess, sys
from types import ModuleType

import torch
from typer.testing import CliRunner

import hvaedsl
from hvaedsl.cli.main import app
from hvaedsl.ir.cells import CELL_NAMES
from hvaedsl.ir.parameter_names import parameter_shapes

assert CELL_NAMES[:4] == ("vdvae", "non_residual", "euler_maruyama", "nvae")
assert CELL_NAMES[4:] == ("gated",)

# It compiles and lints, and is counted as the same class counts when it is measured as a custom cell.
for features in ("none", "sample", "branches"):
    sets = {"model.fourier.at": features, "model.decoder": "1x1, 4x1, 8m4, 8x1", "train.passes": "none"}
    program = hvaedsl.load("digits.hvae", sets={**sets, "model.cell": "gated"})
    reference = {"model.cell": '"hvaedsl.nn.cells.gated:GatedCell"'}
    measured = hvaedsl.load("digits.hvae", sets={**sets, **reference}, custom=hvaedsl.CustomParts())
    assert program.cost.parameters == measured.cost.parameters
    assert program.cost.flops_per_image == measured.cost.flops_per_image
    assert program.without_gradient == measured.without_gradient != ()
    assert 1 <= measured.cost.activation_bytes(1) / program.cost.activation_bytes(1) < 1.02

# Module and emitted file have its parameters and compute the same.
    torch.manual_seed(0)
    model = program.module()
    shapes = {name: tuple(value.shape) for name, value in model.named_parameters()}
    assert shapes == parameter_shapes(program.bridge)
    emitted = ModuleType("emitted")
    exec(program.python_source(), vars(emitted))
    torch.manual_seed(0)
    other = emitted.Digits()
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), other.parameters(), strict=True))
    x = torch.randn(2, 8, 8, 1)
    losses = []
    for item in (model, other):
        torch.manual_seed(1)
        losses.append(item(x, x).loss_nats_per_dim)
    assert torch.equal(*losses)
    try:
        model.vdvae_state_dict()
    except ValueError as error:
        assert "not for gated under" in str(error)

# The commands know it.
def told(*arguments):
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == 0, result.output
    return result.output

assert "gated           a gate lets z in" in told("explain", "cell")
assert "x' = x + sigmoid(G x) * (W z + b)" in told("explain", "cell", "gated", "--out", "gated.svg")
assert "G x" in open("gated.svg").read()
told("explain", "cell", "--markdown", "docs")
row = "| `gated` | x + sigmoid(G x) * (W z + b) | refused | no | `z_proj`, `gate` | no |"
assert row in open("docs/cells.md").read()
assert "class GatedCell(Cell):" in told("compile", "digits.hvae", "--set", "model.cell=gated", "--emit", "python")
assert hvaedsl.__file__.startswith(sys.argv[1]), hvaedsl.__file__
"""


@pytest.mark.long
@pytest.mark.recipe("A cell")
def test_a_cell_is_two_files(tree: Tree) -> None:
    tree.write("hvaedsl/ir/cells/gated.py", DESCRIPTOR)
    tree.write("hvaedsl/nn/cells/gated.py", MODULE)
    tree.run("-c", CHECK, str(tree.path))
