from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise

import pytest

from hvaedsl.ir.bridge import Bridge, MixIn, TopDownBlock
from hvaedsl.render.geometry import Box, Layout, is_clear
from hvaedsl.render.layout import lay_out
from hvaedsl.render.style import paint_of

Compile = Callable[[str], Bridge]


def overlap(one: Box, other: Box) -> bool:
    wide = abs(one.x - other.x) * 2 < one.width + other.width
    high = abs(one.y - other.y) * 2 < one.height + other.height
    return wide and high


def owners(layout: Layout) -> dict[int, Box]:
    return {i: box for box in layout.boxes for i in box.operations}


def test_each_operation_stands_in_exactly_one_box(bridge: Bridge) -> None:
    indices = [i for box in lay_out(bridge).boxes for i in box.operations]
    assert sorted(indices) == list(range(len(bridge.operations)))


def test_no_two_boxes_overlap(bridge: Bridge) -> None:
    layout = lay_out(bridge)
    assert [(a.key, b.key) for a, b in combinations(layout.boxes, 2) if overlap(a, b)] == []


def test_lanes_go_from_the_finest_down_and_hold_their_boxes(bridge: Bridge) -> None:
    layout = lay_out(bridge)
    assert tuple(lane.resolution for lane in layout.lanes) == bridge.resolutions()
    assert all(upper.bottom < lower.top for upper, lower in pairwise(layout.lanes))
    lanes = {lane.resolution: lane for lane in layout.lanes}
    for box in layout.boxes:
        if box.resolution is not None:
            lane = lanes[box.resolution]
            assert lane.top < box.top[1]
            assert box.bottom[1] < lane.bottom
        assert box.left[0] >= 0
        assert box.right[0] <= layout.width


def test_the_encoder_stands_left_of_the_decoder(bridge: Bridge) -> None:
    layout = lay_out(bridge)
    encoder = [box for box in layout.boxes if box.role in ("stem", "residual", "down", "pooled")]
    decoder = [box for box in layout.boxes if box.role in ("top_down", "mix_in", "head", "state")]
    assert max(box.right[0] for box in encoder) < min(box.left[0] for box in decoder)


def test_a_skip_edge_joins_each_block_to_the_activation_that_it_reads(bridge: Bridge) -> None:
    layout = lay_out(bridge)
    owner = owners(layout)
    wanted = {
        (owner[op.reads].key, owner[i].key)
        for i, op in enumerate(bridge.operations)
        if isinstance(op, TopDownBlock) and op.reads is not None
    }
    drawn = [(edge.source, edge.target) for edge in layout.edges if edge.kind == "skip"]
    assert set(drawn) == wanted
    assert len(drawn) == len(wanted)


def test_the_activation_that_is_read_is_the_last_of_its_box(bridge: Bridge) -> None:
    last = {box.operations[-1] for box in lay_out(bridge).boxes if box.operations}
    assert {op.reads for op in bridge.operations if isinstance(op, TopDownBlock)} - {None} <= last


def test_a_mix_in_comes_from_the_latest_box_of_its_source(bridge: Bridge) -> None:
    layout = lay_out(bridge)
    owner = owners(layout)
    wanted = []
    for i, op in enumerate(bridge.operations):
        if isinstance(op, MixIn):
            before = [j for j, other in bridge.decoder if j < i and isinstance(other, TopDownBlock)]
            source = max(j for j in before if bridge.operations[j].resolution == op.source)
            wanted.append((owner[source].key, owner[i].key))
    assert [(edge.source, edge.target) for edge in layout.edges if edge.kind == "mix_in"] == wanted


def test_edges_run_at_right_angles_from_box_to_box_and_through_none(bridge: Bridge) -> None:
    layout = lay_out(bridge)
    boxes = {box.key: box for box in layout.boxes}
    for edge in layout.edges:
        assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(edge.points)), edge
        assert is_clear(edge.points, layout.boxes), edge
        for key, point in ((edge.source, edge.points[0]), (edge.target, edge.points[-1])):
            box = boxes[key]
            assert point in (box.left, box.right, box.top, box.bottom), edge


def test_every_block_is_reached_by_the_flow_of_its_pass(bridge: Bridge) -> None:
    layout = lay_out(bridge)
    reached = {edge.target for edge in layout.edges if edge.kind != "skip"}
    assert {box.key for box in layout.boxes} - reached == {
        box.key for box in layout.boxes if box.role in ("image", "state")
    }


def test_a_recurring_group_has_one_color_of_its_own(compile_bridge: Compile) -> None:
    layout = lay_out(compile_bridge("labels"))
    paints = {box.title: paint_of(box, layout.recurring) for box in layout.boxes if box.x < layout.width / 2}
    assert paints["8r3@g"] == paints["8d2@g"]
    assert len({paints[title] for title in ("8r3@g", "4r2@h", "4r3", "4x1")}) == 4
    decoder = {box.title: paint_of(box, layout.recurring) for box in layout.boxes if box.x > layout.width / 2}
    assert decoder["8m4@g"] == decoder["8r3@g"] == decoder["4r2@g"] != paints["8r3@g"]


@pytest.mark.parametrize("name", ["alternating_top", "alternating_below"])
def test_a_tall_stack_is_broken_into_columns(compile_bridge: Compile, name: str) -> None:
    layout = lay_out(compile_bridge(name))
    assert layout.width < 3 * layout.height
    assert layout.height < 3 * layout.width


def test_several_activations_on_one_edge_are_counted(compile_bridge: Compile) -> None:
    bridge = compile_bridge("digits")
    reads = iter([3, 2, 1])  # the d block, then the plain blocks from the last to the first
    operations = tuple(
        TopDownBlock(**{**{name: getattr(op, name) for name in op.__slots__}, "reads": next(reads)})
        if isinstance(op, TopDownBlock) and op.resolution == 8
        else op
        for op in bridge.operations
    )
    changed = Bridge(image_resolution=8, image_channels=3, operations=operations)
    labels = [edge.label for edge in lay_out(changed).edges if edge.kind == "skip"]
    assert sorted(labels) == ["", "", "2 activations"]
