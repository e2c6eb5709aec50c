from __future__ import annotations

from collections.abc import Callable

import pytest

from hvaedsl.ir.bridge import Bridge, EncoderBlock, TopDownBlock
from hvaedsl.render.runs import find_runs, recurring_groups

Compile = Callable[[str], Bridge]


def notations(bridge: Bridge) -> list[str]:
    return [run.notation for run in find_runs(bridge) if run.notation]


def test_each_operation_stands_in_exactly_one_run(bridge: Bridge) -> None:
    indices = [i for run in find_runs(bridge) for i in run.operations]
    assert sorted(indices) == list(range(len(bridge.operations)))


def test_equal_blocks_become_one_run_as_the_language_writes_it(compile_bridge: Compile) -> None:
    encoder = ["11*32r3", "32d2", "6*16r3", "16d2", "8x6", "8d2", "4x3", "4d4", "1x3"]
    decoder = ["1x1", "4m1", "4x2", "8m4", "8x5", "16m8", "10*16r3", "32m16", "21*32r3"]
    assert notations(compile_bridge("cifar10_ws")) == encoder + decoder


def test_a_run_counts_groups_and_applications(compile_bridge: Compile) -> None:
    first = next(run for run in find_runs(compile_bridge("cifar10_ws")) if run.notation == "11*32r3")
    assert (len(set(first.groups)), first.applications, len(first.operations)) == (11, 3, 33)
    assert first.shared


def test_labelled_groups_stay_apart_and_recur(compile_bridge: Compile) -> None:
    bridge = compile_bridge("labels")
    written = ["8r3@g", "8x2", "8d2@g", "4r2@h", "4x1", "4r2@h", "4r3"]
    assert notations(bridge) == [*written, "4r2@g", "4x2", "8m4@g", "8r3@g", "8r2@k", "8x1"]
    assert recurring_groups(find_runs(bridge)) == ("encoder @g", "encoder @h", "decoder @g")


def test_passes_with_groups_of_the_same_name_share_nothing(compile_bridge: Compile) -> None:
    bridge = compile_bridge("digits")
    names = {op.group for _, op in bridge.encoder if isinstance(op, EncoderBlock)}
    assert names & {op.group for _, op in bridge.decoder if isinstance(op, TopDownBlock)}
    assert recurring_groups(find_runs(bridge)) == ()


@pytest.mark.parametrize(("name", "read"), [("wider_below", True), ("cifar10_ws", False)])
def test_a_pooled_activation_is_a_run_of_its_own_where_it_is_read(
    compile_bridge: Compile, name: str, read: bool
) -> None:
    assert any(run.role == "pooled" for run in find_runs(compile_bridge(name))) is read
