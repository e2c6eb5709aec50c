"""Records are made with their first object, whichever thread makes it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

import hvaedsl.record
from hvaedsl.span import Source
from hvaedsl.syntax import ast


def test_two_threads_make_the_first_object_of_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow_dataclass(**options: Any) -> Any:
        def make(cls: type) -> type:
            time.sleep(0.2)
            return dataclass(**options)(cls)

        return make

    class Probe(ast.Node):
        text: str

    monkeypatch.setattr(hvaedsl.record, "dataclass", slow_dataclass)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(Probe, "abcd"))
    assert [item.text for item in made] == ["a", "b", "c", "d"]


def test_a_record_that_extends_a_record_has_the_fields_of_both() -> None:
    class Base(ast.Node):
        text: str

    class More(Base):
        number: int

    span = Source("a", "b").span(0, 1)
    assert More("a", 1) == More("a", 1)
    assert (More("a", 1).text, More("a", 1).number) == ("a", 1)
    assert ast.Name("n", span) == ast.Name("n", span)
