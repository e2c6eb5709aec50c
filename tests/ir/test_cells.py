"""The table of the cells' parts against their modules and their texts, and the bridge's field."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.ir.bridge import TopDownBlock
from hvaedsl.ir.bridge_text import bridge_json, bridge_text, parse_bridge
from hvaedsl.ir.cells import CELL_NAMES, CELLS
from hvaedsl.ir.spec import Spec
from hvaedsl.nn.cells import Cell

SPEC = """hvae 1
data { dataset = digits }
model { width = 8  latent = 8  cell = %s  encoder = 8x1, 8d2, 4x1  decoder = 4r2, 8m4, 8x1 }
"""


def test_cells_are_in_their_order() -> None:
    assert CELL_NAMES[:4] == ("vdvae", "non_residual", "euler_maruyama", "nvae")
    assert all(name == kind.name for name, kind in CELLS.items())


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_the_parts_are_those_of_the_module(cell: str) -> None:
    program = hvaedsl.loads(SPEC % cell)
    block = program.module().decoder.blocks["r4_0"]
    assert isinstance(block, Cell)
    assert [name for name, _ in block.named_children()] == ["posterior", "prior", *CELLS[cell].outgoing]
    assert block.gives_h is CELLS[cell].gives_h


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_the_bridge_and_the_resolved_spec_name_the_cell(cell: str) -> None:
    program = hvaedsl.loads(SPEC % cell)
    assert {op.cell for op in program.bridge.operations if isinstance(op, TopDownBlock)} == {cell}
    text = bridge_text(program.bridge)
    assert text.count(f" cell={cell}\n") == program.cost.stochastic_depth
    assert parse_bridge(text) == program.bridge
    blocks = [op for op in bridge_json(program.bridge)["operations"] if op["kind"] == "top_down_block"]
    assert {op["cell"] for op in blocks} == {cell}
    again = hvaedsl.loads(program.resolved_text())
    assert again.bridge == program.bridge
    assert again.spec.model.cell == cell


def test_a_bridge_without_a_cell_has_that_of_vdvae() -> None:
    program = hvaedsl.loads(SPEC % "vdvae")
    assert parse_bridge(bridge_text(program.bridge).replace(" cell=vdvae", "")) == program.bridge
    with pytest.raises(ValueError, match="line 9: "):
        parse_bridge(bridge_text(program.bridge).replace(" cell=vdvae", " cell=lstm"))


def test_the_default_is_vdvae() -> None:
    spec: Spec = hvaedsl.loads(SPEC.replace("cell = %s", "")).spec
    assert spec.model.cell == "vdvae"


def test_an_unknown_cell_is_told_with_the_known_ones() -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.loads(SPEC % "nvea")
    (found,) = caught.value.diagnostics
    assert found.code == "HV206"
    assert "did you mean `nvae`?" in found.help_text
