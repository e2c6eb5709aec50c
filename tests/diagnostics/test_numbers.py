"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from hvaedsl.diagnostics.numbers import counted


@pytest.mark.parametrize(("count", "text"), [(0, "0 steps"), (1, "1 step"), (2, "2 steps"), (1200, "1,200 steps")])
def test_only_one_has_the_singular(count: int, text: str) -> None:
    assert counted(count, "step") == text


def test_a_noun_may_have_a_plural_of_its_own() -> None:
    assert [counted(count, "process", "processes") for count in (1, 2)] == ["1 process", "2 processes"]
