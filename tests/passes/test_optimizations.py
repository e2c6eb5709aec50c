"""The optimizing passes on the bridge: what each marks, and what the cost becomes."""

from __future__ import annotations

from dataclasses import replace

import pytest

import hvaedsl
from hvaedsl.diagnostics.errors import CompilerBug
from hvaedsl.ir.bridge import Bridge, Operation, TopDownBlock
from hvaedsl.ir.bridge_text import bridge_json, bridge_text, parse_bridge
from hvaedsl.ir.cells import CELLS
from hvaedsl.ir.pass_names import PASSES
from hvaedsl.passes.cost import Cost
from hvaedsl.passes.hoisting import hoist
from hvaedsl.passes.joining import join
from hvaedsl.passes.one_gelu import one_gelu
from hvaedsl.passes.verify import verify
from hvaedsl.pipeline import OPTIMIZATIONS, optimize


def bridge_of(decoder: str = "4r3, 8m4, 8x2", model: str = "") -> Bridge:
    latent = "" if "latent" in model else "latent = 2"
    return hvaedsl.loads(f"""hvae 1 data {{ dataset = npy channels = 1 resolution = 8 }}
        model {{ width = 16 {latent} encoder = 8x1, 8d2, 4x1 decoder = {decoder} {model} }}""").bridge


def blocks(bridge: Bridge) -> list[TopDownBlock]:
    return [op for op in bridge.operations if isinstance(op, TopDownBlock)]


def test_the_first_application_reads_for_the_others() -> None:
    assert [op.hoisted for op in blocks(hoist(bridge_of()))] == ["read", "again", "again", "read", "read", "read"]


def test_a_label_shares_what_is_read() -> None:
    found = blocks(hoist(bridge_of("4x1@a, 4x1, 4x1@a, 8m4")))
    assert [op.hoisted for op in found] == ["read", "read", "again", "read"]


def test_blocks_that_read_no_activation_are_not_hoisted() -> None:
    found = blocks(hoist(bridge_of("4x1, 8m4, 8x2", "skips = none")))
    assert [(op.reads is None, op.hoisted) for op in found] == [(False, "read"), *[(True, None)] * 3]


@pytest.mark.parametrize("optimization", [one_gelu, hoist])
def test_fourier_features_of_the_branches_are_left_alone(optimization: object) -> None:
    bridge = bridge_of(model="fourier { at = branches  exponents = 1 }")
    assert callable(optimization)
    assert optimization(bridge) == bridge


def test_blocks_without_a_latent_and_custom_cells_are_left_alone() -> None:
    bridge = bridge_of(model="latent = {4: 0, 8: 2}")
    changed = [op for op in blocks(optimize(bridge, PASSES)) if op.one_gelu or op.hoisted or op.joined]
    assert {op.resolution for op in changed} == {8}
    custom = bridge_of(model='cell = "package.module:Name"')
    assert optimize(custom, PASSES) == custom


@pytest.mark.parametrize("cell", ["vdvae", "non_residual", "nvae", "euler_maruyama"])
def test_the_cells_that_are_joined(cell: str) -> None:
    bridge = bridge_of(model=f"cell = {cell}  {'latent = 16' if cell == 'euler_maruyama' else ''}")
    assert {op.joined for op in blocks(join(bridge))} == {CELLS[cell].adds_h_and_z} == {cell == "vdvae"}


def test_passes_are_applied_in_their_order_whatever_the_order_of_their_names() -> None:
    bridge = bridge_of()
    assert tuple(OPTIMIZATIONS) == PASSES
    assert optimize(bridge, ("join", "one_gelu")) == join(one_gelu(bridge))
    assert optimize(bridge, PASSES, last="hoist") == hoist(one_gelu(bridge))
    assert optimize(bridge, ()) is bridge


def test_the_text_shows_what_a_pass_changed_and_is_read_back() -> None:
    bridge = optimize(bridge_of(), PASSES)
    text = bridge_text(bridge)
    assert text.count("one_gelu=true") == text.count("joined=true") == 6
    assert text.count("hoisted=again") == 2
    assert parse_bridge(text) == bridge
    assert "hoisted" not in bridge_text(bridge_of())
    assert "hoisted" not in str(bridge_json(bridge_of()))
    assert str(bridge_json(bridge)).count("'hoisted': 'again'") == 2


def spoiled(bridge: Bridge, **changes: object) -> Bridge:
    """The bridge with other fields in its first top-down block."""
    first = next(index for index, op in enumerate(bridge.operations) if isinstance(op, TopDownBlock))
    ops: list[Operation] = list(bridge.operations)
    ops[first] = replace(ops[first], **changes)  # type: ignore[arg-type]  # names of fields
    return replace(bridge, operations=tuple(ops))


def test_the_verifier_knows_hoisted_blocks() -> None:
    bridge = hoist(bridge_of())
    verify(bridge, after="hoist")
    with pytest.raises(CompilerBug, match=r"after hoist.*takes what no earlier application has read"):
        verify(spoiled(bridge, hoisted="again"), after="hoist")
    with pytest.raises(CompilerBug, match="is hoisted, and reads no activation"):
        verify(spoiled(bridge, reads=None), after="hoist")


def test_the_cost_is_that_of_what_is_computed() -> None:
    plain, hoisted = (hoisted_cost(passes) for passes in ("none", "hoist"))
    assert plain.flops_per_image - hoisted.flops_per_image == 2 * (2 * 16 * 4 * 4 * 4)  # two applications of 4r3
    assert plain.parameters == hoisted.parameters
    everything = hoisted_cost("one_gelu, hoist, join")
    assert everything.activation_bytes(1) < hoisted.activation_bytes(1) < plain.activation_bytes(1)
    assert everything.activation_bytes(1, "bfloat16") < plain.activation_bytes(1, "bfloat16")


def hoisted_cost(passes: str) -> Cost:
    return hvaedsl.loads(f"""hvae 1 data {{ dataset = npy channels = 1 resolution = 8 }}
        model {{ width = 16 latent = 2 encoder = 8x1, 8d2, 4x1 decoder = 4r3, 8m4, 8x2 }}
        train {{ passes = {passes} }}""").cost
