"""The width of a state from its height."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.ir.image_size import columns_at, has_whole_columns
from hvaedsl.lowering.plan import make_plan


@pytest.mark.parametrize(
    ("rows", "columns", "is_whole"),
    [(96, 160, True), (48, 80, True), (3, 5, True), (6, 10, True), (2, 3, False), (1, 1, False)],
)
def test_the_width_at_a_height(rows: int, columns: int, is_whole: bool) -> None:
    assert columns_at(rows, 96, 160) == columns
    assert has_whole_columns(rows, 96, 160) is is_whole


def test_a_state_has_at_least_one_column() -> None:
    assert columns_at(1, 160, 96) == 1
    assert not has_whole_columns(1, 160, 96)


def test_spec_bridge_and_plan_have_one_width() -> None:
    program = hvaedsl.loads(
        'hvae 1\ndata { dataset = npy  path = "a"  channels = 1  resolution = (12, 20) }\n'
        "model { width = 8  latent = 2  encoder = 12x1, 12d2, 6x1, 6d2, 3x1  decoder = 3x1, 6m3, 6x1, 12m6, 12x1 }\n"
    )
    plan = make_plan(program.bridge, program.spec.model.likelihood, program.spec.data.levels)
    for height, width in ((12, 20), (6, 10), (3, 5)):
        assert program.spec.data.columns_at(height) == width
        assert program.bridge.head.size_at(height) == plan.size_at(height) == (height, width)
    assert {op.size for op in program.bridge.operations} == {(12, 20), (6, 10), (3, 5)}
