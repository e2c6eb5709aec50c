from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest

from hvaedsl.diagnostics.span import Source
from hvaedsl.ir.bridge import Block, EncoderBlock, TopDownBlock, shape_of
from hvaedsl.ir.custom import Measured
from hvaedsl.ir.shapes import flops, once_a_shape

# What names weights, or says where an application stands: of two that differ in nothing else all tensors are alike.
PLACES: Mapping[str, Any] = {
    "group": "r8_1",
    "application": 1,
    "layer": 1,
    "reads": 3,
    "span": Source("a", "b").span(0, 1),
}
ENCODER = EncoderBlock(resolution=8, channels=4, mid=2, kernel=3, group="r8_0", application=0)
TOP_DOWN = TopDownBlock(
    resolution=8, channels=4, mid=2, kernel=3, latent=2, group="r8_0", application=0, layer=0, reads=1
)
MEASURED = Measured(parameters=(("weight", (3,)),), flops=5, saved_bytes=7, outgoing=())
OTHERS = {"normalize": "batch_l2", "cell": "nvae", "measured": MEASURED}


def other(name: str, value: object) -> Any:
    """Another value of a field."""
    if name in OTHERS:
        return OTHERS[name]
    return value + 1 if isinstance(value, int) else (7, 8)


@pytest.mark.parametrize("block", [ENCODER, TOP_DOWN], ids=["encoder", "top-down"])
def test_all_fields_but_names_and_places_are_of_the_shape(block: Block) -> None:
    for field in fields(block):
        changed = replace(
            block, **{field.name: PLACES.get(field.name) or other(field.name, getattr(block, field.name))}
        )
        assert (shape_of(changed) == shape_of(block)) is (field.name in PLACES), field.name


def test_blocks_of_the_two_passes_are_never_of_one_shape() -> None:
    assert shape_of(ENCODER) != shape_of(TOP_DOWN)


def test_a_shape_is_counted_once() -> None:
    asked: list[int] = []

    def counted(op: object) -> int:
        asked.append(1)
        return flops(op)  # type: ignore[arg-type]

    count = once_a_shape(counted)
    blocks = [replace(TOP_DOWN, layer=layer, application=layer) for layer in range(100)]
    assert [count(block) for block in blocks] == [flops(TOP_DOWN)] * 100
    assert len(asked) == 1
