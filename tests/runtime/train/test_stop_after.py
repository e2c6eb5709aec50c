"""`train.stop_after`: when training stops, which weights are kept and used, and resuming."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hvaedsl import Program
from hvaedsl_runtime.disk.checkpoint import Checkpoint, load_checkpoint
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.saved_checkpoints import load_best
from hvaedsl_runtime.evaluate.evaluator import LikelihoodBound
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.train import loop
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.run import TrainingRun
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.stopping import Stopping
from tests.runtime.equal_states import same

Compiled = Callable[..., Program]
Curve = Callable[[Path], list[dict[str, Any]]]
# Validation bounds by step, of which the one at step 4 is the lowest: with `stop_after = 2`, training stops after 8.
BOUNDS = {2: 5.0, 4: 3.0, 6: 3.0, 8: 4.0, 10: 2.0, 12: 6.0}
SETS: dict[str, object] = {"train.eval_every": 2, "train.save_every": 3, "train.stop_after": 2, "sample.count": 2}


def bound(nats: float) -> LikelihoodBound:
    return LikelihoodBound(10, 64, nats, 0.0, (0.0,))


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations count as if their bounds were those of BOUNDS; what is logged are the computed ones."""
    record = Stopping.record

    def planned_record(stopping: Stopping, step: int, bounds: Mapping[str, LikelihoodBound]) -> bool:
        assert set(bounds) == {"raw", "ema"}
        return record(stopping, step, {"raw": bound(BOUNDS[step] + 0.5), "ema": bound(BOUNDS[step])})

    monkeypatch.setattr(Stopping, "record", planned_record)


def run(program: Program, folder: Path, *, resume: bool = False) -> RunFolder:
    train(program, RunSettings(out=folder, device="cpu", resume=resume))
    return RunFolder(folder)


def the_best(folder: RunFolder) -> Checkpoint:
    best = load_best(folder.checkpoints)
    assert best is not None
    return best


def evaluated(lines: list[dict[str, Any]], split: str = "validation") -> list[int]:
    return [line["step"] for line in lines if line["split"] == split and line["weights"] == "raw"]


# --- counting


def test_evaluations_are_counted_from_the_lowest_bound() -> None:
    stopping = Stopping()
    lowest = [stopping.record(step, {"raw": bound(nats)}) for step, nats in BOUNDS.items()]
    assert lowest == [True, True, False, False, True, False]
    assert (stopping.best_step, stopping.best_nats_per_dim, stopping.without_lower) == (10, 2.0, 1)
    again = Stopping.from_state(stopping.state_dict())
    assert (again.evaluated_step, again.without_lower) == (12, 1)


def test_the_lower_of_both_kinds_of_weights_counts_and_what_is_not_finite_does_not() -> None:
    stopping = Stopping()
    assert stopping.record(1, {"raw": bound(2.0), "ema": bound(1.0)})
    assert not stopping.record(2, {"raw": bound(1.5), "ema": bound(1.5)})
    assert not stopping.record(3, {"raw": bound(math.nan), "ema": bound(1.0)})
    assert stopping.record(4, {"raw": bound(0.5), "ema": bound(math.nan)})
    assert not stopping.record(5, {"raw": bound(math.nan), "ema": bound(math.inf)})
    assert stopping.best_nats_per_dim == 0.5


# --- a run


@pytest.mark.usefixtures("planned")
def test_training_stops_and_the_results_are_those_of_the_best_weights(
    compiled: Compiled, tmp_path: Path, curve: Curve, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(compiled(SETS), tmp_path / "run")
    told = " ".join(capsys.readouterr().out.split())
    assert "training has stopped after step 8 of 12: no lower validation bound in 2 evaluations" in told
    summary = folder.read_summary()
    assert (summary["steps"], summary["best_step"], summary["stopped"]) == (8, 4, True)
    assert load_checkpoint(folder.checkpoint).step == 8
    best = the_best(folder)
    assert best.step == 4

    # The weights after step 4 are those of a run that ends there, and so are its results.
    short = run(compiled({**SETS, "train.stop_after": "none", "train.steps": 4}), tmp_path / "short")
    assert same(load_checkpoint(short.checkpoint).model, best.model)
    assert summary["test"] == short.read_summary()["test"]
    for name in ("samples", "reconstructions"):
        assert folder.picture(name, "final").read_bytes() == short.picture(name, "final").read_bytes()
    assert evaluated(curve(folder.path)) == [2, 4, 6, 8]


@pytest.mark.usefixtures("planned")
def test_the_checkpoint_of_a_stopped_run_has_its_own_weights(compiled: Compiled, tmp_path: Path) -> None:
    folder = run(compiled(SETS), tmp_path / "run")
    long = run(compiled({**SETS, "train.stop_after": "none", "train.steps": 8}), tmp_path / "long")
    stopped, whole = load_checkpoint(folder.checkpoint), load_checkpoint(long.checkpoint)
    for part in ("model", "ema", "optimizer"):
        assert same(stopped[part], whole[part])
    assert "stopping" not in whole.state


@pytest.mark.usefixtures("planned")
def test_resuming_a_stopped_run_says_so_and_changes_nothing(
    compiled: Compiled, tmp_path: Path, curve: Curve, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(compiled(SETS), tmp_path / "run")
    lines, summary = curve(folder.path), folder.read_summary()
    capsys.readouterr()
    run(compiled(SETS), tmp_path / "run", resume=True)
    assert "training has stopped after step 8 of 12" in " ".join(capsys.readouterr().out.split())
    assert curve(folder.path) == lines
    again = folder.read_summary()
    assert {**again, "wall_seconds": 0} == {**summary, "wall_seconds": 0}


@pytest.mark.usefixtures("planned")
def test_a_stopped_run_goes_on_with_more_patience(compiled: Compiled, tmp_path: Path, curve: Curve) -> None:
    run(compiled(SETS), tmp_path / "run")
    folder = run(compiled({**SETS, "train.stop_after": 3}), tmp_path / "run", resume=True)
    whole = run(compiled({**SETS, "train.stop_after": 3}), tmp_path / "whole")
    summary = folder.read_summary()
    assert (summary["steps"], summary["best_step"], summary["stopped"]) == (12, 10, False)
    assert summary["test"] == whole.read_summary()["test"]
    assert curve(folder.path) == curve(whole.path)
    assert same(the_best(folder).model, the_best(whole).model)


@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize("killed_after", [2, 4, 5, 6, 7])
def test_a_killed_run_counts_on(
    compiled: Compiled, tmp_path: Path, curve: Curve, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    """Killed in the step after an evaluation, or between two: what is not in the last checkpoint is evaluated again."""
    whole = run(compiled(SETS), tmp_path / "whole")

    def killed(running: TrainingRun) -> None:
        if running.state.step == killed_after:
            raise KeyboardInterrupt
        take_step(running)

    take_step = loop.take_step
    monkeypatch.setattr(loop, "take_step", killed)
    monkeypatch.setattr(loop, "save_alone", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        run(compiled(SETS), tmp_path / "parts")
    monkeypatch.setattr(loop, "take_step", take_step)
    parts = run(compiled(SETS), tmp_path / "parts", resume=True)

    assert curve(parts.path) == curve(whole.path)
    assert same(the_best(parts).model, the_best(whole).model)
    states = [load_checkpoint(folder.checkpoint)["stopping"] for folder in (parts, whole)]
    assert states[0] == states[1]
    assert parts.read_summary()["test"] == whole.read_summary()["test"]


@pytest.mark.usefixtures("planned")
def test_stopping_early_may_begin_with_a_resume(compiled: Compiled, tmp_path: Path, curve: Curve) -> None:
    run(compiled({**SETS, "train.stop_after": "none", "train.steps": 6}), tmp_path / "run")
    folder = run(compiled(SETS), tmp_path / "run", resume=True)
    summary = folder.read_summary()
    assert (summary["steps"], summary["best_step"], summary["stopped"]) == (12, 10, False)
    assert evaluated(curve(folder.path)) == [2, 4, 6, 8, 10, 12]  # those of before are kept, and none is there twice


def test_without_it_a_run_has_the_files_and_the_state_of_before(compiled: Compiled, tmp_path: Path) -> None:
    folder = run(compiled({"train.eval_every": 6}), tmp_path / "run")
    assert not (folder.checkpoints / "best.pt").exists()
    assert "stopping" not in load_checkpoint(folder.checkpoint).state
    assert {"best_step", "stopped"}.isdisjoint(folder.read_summary())


# --- the commands


@pytest.mark.usefixtures("planned")
def test_eval_uses_the_best_weights_and_says_so(
    compiled: Compiled, tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    folder = run(compiled(SETS), tmp_path / "run")
    finished = FinishedRun.open(folder.path, "cpu")
    assert (finished.checkpoint.step, finished.last_step) == (4, 8)
    assert finished.evaluate("test")["raw"].to_dict() == folder.read_summary()["test"]["raw"]
    code, printed, _ = command("eval", folder.path, "--device", "cpu")
    assert code in (0, None)
    assert "after 4 of 8 steps (the lowest validation bound)" in " ".join(printed.split())
    assert json.loads((folder.path / "eval_test.json").read_text())["step"] == 4


@pytest.mark.usefixtures("planned")
def test_a_stopped_run_is_finished_with_exit_code_0(
    compiled: Compiled, spec_path: Path, tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    sets = [word for key, value in SETS.items() for word in ("--set", f"{key}={value}")]
    arguments = ("train", spec_path, "--out", tmp_path / "run", "--device", "cpu", *sets)
    for more in ((), ("--resume",)):
        code, told, _ = command(*arguments, *more)
        assert code in (0, None)
        assert "training has stopped after step 8" in " ".join(told.split())
