"""Arguments of `hvaedsl.load` of a wrong type: one error says what is expected."""

from __future__ import annotations

from typing import Any

import pytest

import hvaedsl
from hvaedsl.diagnostics.errors import UsageError

SETS, LETS = 'write sets={"train.steps": 3}', 'write lets={"n": 3}'


@pytest.mark.parametrize(
    ("arguments", "message", "way_out"),
    [
        ({"sets": ["train.steps=3"]}, "`sets` is a list; it must be a mapping", SETS),
        ({"sets": "train.steps=3"}, "`sets` is a str; it must be a mapping", SETS),
        ({"sets": []}, "`sets` is a list; it must be a mapping", SETS),
        ({"lets": [("n", 3)]}, "`lets` is a list; it must be a mapping", LETS),
        ({"lets": {3: "n"}}, "`lets` has the key 3; it must be a string", LETS),
        ({"sets": {"train.steps": {1, 2}}}, "`sets` has train.steps: not a value of the language: {1, 2}", SETS),
        ({"custom": True}, "`custom` is True; it must be hvaedsl.CustomParts()", ""),
    ],
)
def test_a_wrong_type(arguments: dict[str, Any], message: str, way_out: str) -> None:
    with pytest.raises(UsageError) as caught:
        hvaedsl.load("cifar_ws", **arguments)
    assert (str(caught.value), caught.value.help) == (message, way_out)


def test_values_of_python_and_texts() -> None:
    for sets in ({"train.steps": 3}, {"train.steps": "3"}):
        assert hvaedsl.load("cifar_ws", sets=sets).spec.train.steps == 3
