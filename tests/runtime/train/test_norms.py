"""The adaptive threshold: a factor times a quantile of recent gradient norms."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hvaedsl import Program
from hvaedsl.ir.policies import AdaptiveThreshold
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.norms import RecentNorms
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.step import TrainingStep

Compiled = Callable[..., Program]
Curve = Callable[[Path], list[dict[str, Any]]]


def settings(out: Path, *, resume: bool = False) -> RunSettings:
    return RunSettings(out=out, resume=resume, device="cpu", threads=1, dtype="float64")


@pytest.mark.parametrize(("quantile", "expected"), [(0.5, 50.0), (0.9, 90.0), (1.0, 100.0), (0.001, 1.0)])
def test_the_threshold_is_a_factor_times_the_quantile(quantile: float, expected: float) -> None:
    norms = RecentNorms([float(norm) for norm in reversed(range(1, 101))])
    assert norms.threshold(AdaptiveThreshold(quantile, 100, 2.0)) == 2 * expected


def test_it_waits_for_a_hundred_norms_or_a_full_window() -> None:
    for window, fewest in ((1000, 100), (100, 100), (20, 20)):
        policy, norms = AdaptiveThreshold(0.5, window), RecentNorms()
        for count in range(fewest):
            assert norms.threshold(policy) is None, count
            norms.record(1.0, policy)
        assert norms.threshold(policy) == 3.0


def test_a_lasting_change_raises_it_and_what_is_not_finite_does_not_count() -> None:
    policy, norms = AdaptiveThreshold(0.9, 20), RecentNorms()
    for _ in range(20):
        norms.record(1.0, policy)
    for _ in range(50):
        norms.record(math.nan, policy)
        norms.record(math.inf, policy)
    assert norms.threshold(policy) == 3.0
    for _ in range(3):
        norms.record(100.0, policy)
    assert norms.threshold(policy) == 300.0
    for _ in range(20):
        norms.record(1.0, policy)
    assert norms.norms == [1.0] * 20
    assert norms.threshold(policy) == 3.0


def test_norms_of_0_skip_nothing() -> None:
    assert RecentNorms([0.0] * 100).threshold(AdaptiveThreshold(0.5, 100)) is None


def test_a_spike_is_skipped_and_a_resumed_run_has_the_same_threshold(
    tmp_path: Path, compiled: Compiled, curve: Curve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The objective is 50 times larger at two steps: one before the window is full, one after."""
    sets = {"train.skip_above": "adaptive(1, 10, factor = 5)", "train.steps": 24, "train.save_every": 100}
    terms = TrainingStep._terms

    def spiked(self: TrainingStep, batch: Any, step: int) -> Any:
        found = terms(self, batch, step)
        return found._replace(objective=found.objective * (50 if step in (4, 16) else 1))

    monkeypatch.setattr(TrainingStep, "_terms", spiked)
    train(compiled(sets), settings(tmp_path / "whole"))
    lines = [line for line in curve(tmp_path / "whole") if line["split"] == "train"]
    assert [line["step"] for line in lines if not line["applied"]] == [17]
    saved = load_checkpoint(RunFolder(tmp_path / "whole").checkpoint)["norms"]["norms"]
    assert saved == [line["gradient_norm"] for line in lines[-10:]]

    train(compiled({**sets, "train.steps": 14}), settings(tmp_path / "parts"))
    train(compiled(sets), settings(tmp_path / "parts", resume=True))
    assert [line for line in curve(tmp_path / "parts") if line["split"] == "train"] == lines


def test_a_run_may_not_change_its_threshold_on_resume(tmp_path: Path, compiled: Compiled) -> None:
    train(compiled({"train.steps": 4}), settings(tmp_path / "run"))
    with pytest.raises(Exception, match=r"train\.skip_above: none in the run, adaptive\(0\.9, 50\) now"):
        train(compiled({"train.skip_above": "adaptive(0.9, 50)"}), settings(tmp_path / "run", resume=True))
