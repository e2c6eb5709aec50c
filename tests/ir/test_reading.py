"""The copy of a block that reads another activation."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace

import pytest

import hvaedsl
from hvaedsl.ir.bridge import TopDownBlock, reading


def test_it_is_that_of_replace_and_leaves_the_block_as_it_is() -> None:
    block = next(op for op in hvaedsl.load("cifar_ws").bridge.operations if isinstance(op, TopDownBlock))
    for index in (None, 7):
        changed, expected = reading(block, index), replace(block, reads=index)
        assert changed == expected
        assert hash(changed) == hash(expected)
        assert all(getattr(changed, item.name) is getattr(expected, item.name) for item in fields(TopDownBlock))
        with pytest.raises(FrozenInstanceError):
            changed.reads = 3  # type: ignore[misc]
    assert block.reads not in (None, 7)
