"""The tasks for readers have specs that compile, and the count of errors tells a right answer from a wrong one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hvaedsl
from benchmarks.readers import REFERENCES, compile_answer, is_reference, score


def test_every_task_has_a_spec() -> None:
    tasks = re.findall(r"^(\d+)\. ", (REFERENCES / "tasks.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [f"{int(task):02}.hvae" for task in tasks] == sorted(path.name for path in REFERENCES.glob("*.hvae"))


@pytest.mark.parametrize("path", sorted(REFERENCES.glob("*.hvae")), ids=lambda path: path.stem)
def test_a_spec_is_its_own_answer(path: Path) -> None:
    assert hvaedsl.load(path).cost.stochastic_depth > 0
    assert is_reference(int(path.stem), path)


def test_errors_are_counted(tmp_path: Path) -> None:
    log, answer = tmp_path / "log", tmp_path / "03.hvae"
    good = (REFERENCES / "03.hvae").read_text(encoding="utf-8")
    answer.write_text(good.replace("32d4", "32q4").replace("width ", "widht "), encoding="utf-8")
    assert "HV112" in compile_answer(3, answer, log)
    answer.write_text(good.replace("32x4, 32d4", "32x5, 32d4"), encoding="utf-8")
    assert "compiles" in compile_answer(3, answer, log)
    assert score(log, tmp_path) == {3: 3}
    answer.write_text(good.replace("32x4, 32d4", "2*(32x2), 32d4"), encoding="utf-8")
    assert score(log, tmp_path) == {3: 2}
