"""The benchmark of the editor: its recorded sessions, and a small one that is played."""

from __future__ import annotations

import sys

import pytest

from benchmarks.editor import measure
from benchmarks.editor_session import BURST, COMPLETIONS, EDITS, SETUPS, load, long_texts, record


@pytest.mark.parametrize("name", SETUPS)
def test_the_recorded_sessions_are_those_of_the_generator(name: str) -> None:
    session = load(name)
    assert session == record(name, SETUPS[name]())
    kinds = [step.kind for step in session.steps]
    assert kinds.count("edit") >= EDITS
    assert kinds.count("completion") >= COMPLETIONS
    assert len(session.steps[-1].text) == BURST


@pytest.mark.skipif(sys.platform != "linux", reason="reads the CPU clock of another process")
def test_a_small_session() -> None:
    session = record("long", long_texts(40), edits=12, completions=3, burst=8)
    figures, notes = measure(session)
    assert notes == []
    exact = {figure.name: figure for figure in figures if figure.unit.startswith("of") or "answers" in figure.name}
    assert len(exact) == 3
    assert all(figure.holds for figure in exact.values())
