"""Measured figures: what holds, how they are printed, and that a process that fails gives none."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks.measurement import PROGRAM, Figure, cpu_seconds, environment, print_figures, table

FIGURES = [
    Figure("a", 2.0, "s", 2),
    Figure("b", 2.0, "s", 1),
    Figure("c", 2.0, "s"),
    Figure("d", 2.0, "", 3, "at least"),
    Figure("e", math.nan, "", 3),
]


def test_a_broken_bound_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert [item.holds for item in FIGURES] == [True, False, True, False, False]
    assert table(FIGURES[:4]).splitlines() == [
        "a     2.000 s         at most 2",
        "b     2.000 s         at most 1  BROKEN",
        "c     2.000 s",
        "d     2.000           at least 3  BROKEN",
    ]
    assert print_figures(FIGURES[:1], as_json=False) == 0
    assert print_figures(FIGURES[:2], as_json=False) == 1
    capsys.readouterr()
    assert print_figures(FIGURES[:1], as_json=True) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found == {
        "name": "a",
        "value": 2.0,
        "unit": "s",
        "bound": 2,
        "side": "at most",
        "spread": None,
        "holds": True,
    }


def test_a_process_that_fails_is_no_figure(tmp_path: Path) -> None:
    kept = environment(tmp_path, MORE="1")
    assert kept["MORE"] == "1"
    assert kept["PYTHONPYCACHEPREFIX"] == str(tmp_path / "bytecode")
    assert cpu_seconds(["-c", "raise SystemExit(7)"], kept, exit_codes=(7,)) > 0
    with pytest.raises(RuntimeError, match="exited with code 7"):
        cpu_seconds(["-c", "raise SystemExit(7)"], kept)
    with pytest.raises(RuntimeError, match=r"compile missing\.hvae exited with code 2"):
        cpu_seconds(["-c", PROGRAM, "compile", "missing.hvae"], kept, tmp_path)
