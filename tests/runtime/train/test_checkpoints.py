"""Which checkpoints a run writes and keeps, which one it goes on from, and what it says about them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import hvaedsl
from hvaedsl import Program
from hvaedsl.diagnostics.errors import RunMismatch, RunNotFound, UsageError
from hvaedsl.ir.training import Minutes
from hvaedsl_runtime.disk.checkpoint_folder import read_folder
from hvaedsl_runtime.disk.checkpoint_names import steps_in
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.saved_checkpoints import best_path, read_best
from hvaedsl_runtime.disk.state_parts import StateDict
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.run import TrainingRun
from hvaedsl_runtime.train.saving import NONE, newest_checkpoint
from hvaedsl_runtime.train.settings import RunSettings
from tests.runtime.saved_states import remove_saved

Compiled = Callable[..., Program]
Command = Callable[..., tuple[object, str, str]]


def settings(out: Path, *, resume: bool = False) -> RunSettings:
    return RunSettings(out=out, resume=resume, device="cpu", threads=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, module_program: Program) -> Path:
    """12 steps, saved every 4, evaluated every 6."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    train(module_program, settings(out))
    return out


def copied(whole: Path, to: Path) -> Path:
    shutil.copytree(whole, to)
    return to


def test_permanent_ones_and_the_best_are_kept(compiled: Compiled, tmp_path: Path) -> None:
    sets = {"train.save_every": 2, "train.keep_last": 1, "train.keep_every": 5, "train.eval_every": 3}
    train(compiled(sets), settings(tmp_path / "run"))
    folder = RunFolder(tmp_path / "run")
    best = read_best(folder.checkpoints)
    assert best is not None
    bounds = {
        line["step"]: line["loss_nats_per_dim"]
        for line in read_metrics(folder.metrics)
        if line["split"] == "validation" and line["weights"] == best.weights
    }
    assert min(bounds, key=lambda step: bounds[step]) == best.step
    assert bounds[best.step] == best.loss_nats_per_dim
    # When step 12 was saved, which is before its evaluation, step 9 was the best.
    assert steps_in(folder.checkpoints) == sorted({5, 9, 10, 12, best.step})


@pytest.mark.parametrize(("seconds", "steps"), [(0, list(range(13))), (3600, [12])])
def test_a_checkpoint_is_due_after_so_many_minutes(
    compiled: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, steps: list[int]
) -> None:
    saved, write = [], TrainingRun.write_checkpoint

    def noted(run: TrainingRun) -> None:
        saved.append(run.state.step)
        write(run)

    monkeypatch.setattr(Minutes, "seconds", seconds)
    monkeypatch.setattr(TrainingRun, "write_checkpoint", noted)
    train(compiled({"train.save_every": "1 minutes", "train.eval_every": 100}), settings(tmp_path / "run"))
    assert saved == steps


def test_a_run_that_lost_every_checkpoint_does_not_start_over(whole: Path, tmp_path: Path, compiled: Compiled) -> None:
    run = copied(whole, tmp_path / "run")
    remove_saved(run)
    (run / "summary.json").unlink()
    before = (run / "metrics.jsonl").read_bytes()
    with pytest.raises(RunNotFound, match="has the log of 12 steps, but no checkpoint") as caught:
        train(hvaedsl.load(run / "spec.hvae"), settings(run, resume=True))
    assert "backup" in caught.value.help
    assert (run / "metrics.jsonl").read_bytes() == before


def test_the_spec_of_the_checkpoint_is_the_one_that_counts(whole: Path, tmp_path: Path, command: Command) -> None:
    run = copied(whole, tmp_path / "run")
    spec = run / "spec.hvae"
    spec.write_text(spec.read_text().replace("learning_rate   = 0.001", "learning_rate   = 0.002"))
    with pytest.raises(RunMismatch, match=r"train\.learning_rate: 0\.001 in the run, 0\.002 now"):
        train(hvaedsl.load(spec), settings(run, resume=True))
    code, _, err = command("sample", run, "--device", "cpu", "--count", "1", "--out", tmp_path / "s.png")
    assert code == 0
    assert "spec.hvae is not what the run wrote" in err


def test_a_log_that_lost_lines_is_said(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = copied(whole, tmp_path / "run")
    log = run / "metrics.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:5]))
    assert len(read_metrics(log)) == 5
    assert "lines are missing at its end" in capsys.readouterr().err
    log.write_bytes(b"".join(lines[:-2]))
    read_metrics(log)
    assert "has the results of step 12" in capsys.readouterr().err
    log.unlink()
    train(hvaedsl.load(run / "spec.hvae"), settings(run, resume=True))
    assert "the curves of this run have a gap" in " ".join(capsys.readouterr().out.split())


def test_a_resumed_run_says_so_in_its_log(whole: Path, tmp_path: Path) -> None:
    run = copied(whole, tmp_path / "run")
    before = (run / "metrics.jsonl").read_bytes()
    train(hvaedsl.load(run / "spec.hvae", sets={"train.steps": 14}), settings(run, resume=True))
    after = (run / "metrics.jsonl").read_bytes()
    assert after.startswith(before)  # nothing is rewritten
    line = json.loads(after[len(before) :].splitlines()[0])
    assert (line["split"], line["step"], line["version"]) == ("resumed", 12, hvaedsl.__version__)
    tests = [found["step"] for found in read_metrics(run / "metrics.jsonl") if found["split"] == "test"]
    assert tests == [14, 14]


def test_a_resumed_run_reads_its_checkpoint_once(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = copied(whole, tmp_path / "run")
    read: list[str] = []

    def noted(folder: Path) -> tuple[str, StateDict]:
        read.append(folder.name)
        return read_folder(folder)

    monkeypatch.setattr("hvaedsl_runtime.disk.checkpoint.read_folder", noted)
    train(hvaedsl.load(run / "spec.hvae", sets={"train.steps": 14}), settings(run, resume=True))
    assert read == ["step-00000012"]


def test_the_first_process_waits_until_the_others_have_read_its_checkpoint(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a rollback it writes this checkpoint again at once. Here is the second of two, to which it says step 8."""
    order: list[str] = []

    class Second(Processes):
        def any(self, flag: bool) -> bool:
            order.append("wait")
            return flag

        def from_first(self, value: int) -> int:
            assert value == NONE  # it has not looked itself
            return 8

    def noted(folder: Path) -> tuple[str, StateDict]:
        order.append(folder.name)
        return read_folder(folder)

    monkeypatch.setattr("hvaedsl_runtime.disk.checkpoint.read_folder", noted)
    run = RunFolder(copied(whole, tmp_path / "run"))
    found = newest_checkpoint(run, Second(1, 2, torch.device("cpu")), [], up_to=11)
    assert found is not None
    assert found.step == 8
    assert order == ["wait", "step-00000008", "wait"]


@pytest.mark.parametrize(
    ("which", "step"), [(None, 12), ("last", 12), ("8", 8), ("6", 6), ("7", None), ("first", None), ("-1", None)]
)
def test_a_checkpoint_is_chosen(whole: Path, which: str | None, step: int | None) -> None:
    if step is not None:
        assert FinishedRun.open(whole, "cpu", which).checkpoint.step == step
        return
    with pytest.raises((RunNotFound, UsageError)) as caught:
        FinishedRun.open(whole, "cpu", which)
    assert "6, 8, 12" in caught.value.help


def test_without_validation_there_is_no_best(whole: Path, tmp_path: Path) -> None:
    run = copied(whole, tmp_path / "run")
    best = read_best(RunFolder(run).checkpoints)
    assert best is not None
    assert FinishedRun.open(run, "cpu", "best").checkpoint.step == best.step
    best_path(RunFolder(run).checkpoints).unlink()
    with pytest.raises(RunNotFound, match="known as the best") as caught:
        FinishedRun.open(run, "cpu", "best")
    assert "--checkpoint last" in caught.value.help


@pytest.mark.parametrize(
    "arguments",
    [
        ("eval", "RUN", "--split", "validation", "--device", "cpu"),
        ("sample", "RUN", "--count", "1", "--device", "cpu", "--out", "TMP/s.png"),
        ("convert", "RUN", "--to", "TMP/w.safetensors"),
        ("export", "RUN", "--to", "safetensors", "--out", "TMP/e.safetensors"),
    ],
)
def test_the_commands_take_a_checkpoint(
    whole: Path, tmp_path: Path, command: Command, arguments: tuple[str, ...]
) -> None:
    run = copied(whole, tmp_path / "run")
    words: list[Any] = [word.replace("RUN", str(run)).replace("TMP", str(tmp_path)) for word in arguments]
    code, _, err = command(*words, "--checkpoint", "9")
    assert code == 5
    assert "has no checkpoint of step 9" in err
    assert "6, 8, 12" in err
    code, _, err = command(*words, "--checkpoint", "8")
    assert code in (0, None), err
