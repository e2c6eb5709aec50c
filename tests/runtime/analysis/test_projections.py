"""The analysis `projections`: the energy that each resolution keeps, and Theorem 2 on the same images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import hvaedsl
from hvaedsl_runtime.analysis.base import Result, Subject
from hvaedsl_runtime.analysis.figures import png, svg
from hvaedsl_runtime.analysis.projections import ANALYSIS
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings

DIGITS = Path(__file__).parents[2] / "specs" / "digits_small.hvae"


@pytest.fixture
def result(tmp_path: Path) -> Result:
    program = hvaedsl.load(DIGITS, sets={"train.steps": 1, "model.width": 8})
    train(program, RunSettings(out=tmp_path / "run", device="cpu", threads=1))
    return ANALYSIS.run(Subject(FinishedRun.open(tmp_path / "run", "cpu"), images=20))


def rows(result: Result) -> list[dict[str, Any]]:
    found = result.data["projections"]
    assert isinstance(found, list)
    return found


def test_shares_are_those_of_the_images(result: Result, tmp_path: Path) -> None:
    assert [(row["resolution"], row["factor"]) for row in rows(result)] == [(8, 1), (4, 2), (1, 8)]
    subject = Subject(FinishedRun.open(tmp_path / "run", "cpu"), images=20)
    x = subject.evaluator.prepared(subject.indices(20))[0].double()
    total = x.square().sum(dim=(1, 2, 3))
    patches = x.reshape(20, 4, 2, 4, 2, 1).mean(dim=(2, 4))
    expected = {
        8: torch.ones(20),
        4: 4 * patches.square().sum(dim=(1, 2, 3)) / total,
        1: 64 * x.mean(dim=(1, 2, 3)) ** 2 / total,
    }
    for row in rows(result):
        share = expected[row["resolution"]]
        assert row["energy_share_mean"] == pytest.approx(share.mean().item(), rel=1e-9)
        assert row["energy_share_std"] == pytest.approx(share.std(unbiased=False).item(), rel=1e-9, abs=1e-12)


def test_theorem_2_is_checked_on_them(result: Result) -> None:
    checks = result.data["theorem_2"]
    assert isinstance(checks, list)
    assert len(checks) == 9
    assert all(check["holds"] for check in checks)
    assert "9 of 9 checks passed" in result.text


def test_the_drawings_can_be_written(result: Result) -> None:
    grid, energy = result.drawings
    assert [grid.stem, energy.stem] == ["projections", "projections-energy"]
    assert grid.images
    assert png(grid.figure).startswith(b"\x89PNG")
    assert svg(energy.figure).startswith(b"<?xml")
