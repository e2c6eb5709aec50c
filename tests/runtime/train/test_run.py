from __future__ import annotations

import json
import logging
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hvaedsl
from hvaedsl import Program
from hvaedsl.diagnostics.errors import Diverged, NoUpdate, RunError, RunMismatch, RunNotFound
from hvaedsl_runtime.disk.checked_json import read_checked
from hvaedsl_runtime.disk.checkpoint_folder import Noted
from hvaedsl_runtime.disk.checkpoint_writer import CheckpointWriter
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.evaluate.evaluator import Evaluator, LikelihoodBound
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.train import loop
from hvaedsl_runtime.train.interruption import Interruption, InterruptionError
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.run import TrainingRun
from hvaedsl_runtime.train.settings import RunSettings
from tests.runtime.saved_states import remove_saved

Compiled = Callable[..., Program]
Curve = Callable[[Path], list[dict[str, Any]]]


def settings(out: Path, *, resume: bool = False) -> RunSettings:
    return RunSettings(out=out, resume=resume, device="cpu", threads=1)


def test_fewer_steps_than_were_taken_are_refused(tmp_path: Path, compiled: Compiled, curve: Curve) -> None:
    train(compiled(), settings(tmp_path / "run"))
    before = curve(tmp_path / "run")
    with pytest.raises(RunError, match=r"has taken 12 steps, and train\.steps is 8") as caught:
        train(compiled({"train.steps": 8}), settings(tmp_path / "run", resume=True))
    assert caught.value.exit_code == 5
    assert "train.steps to 12" in caught.value.help
    assert curve(tmp_path / "run") == before


def test_a_resumed_run_keeps_its_name(tmp_path: Path, compiled: Compiled) -> None:
    train(compiled(), settings(tmp_path / "run"))
    train(hvaedsl.load(tmp_path / "run" / "spec.hvae"), settings(tmp_path / "run", resume=True))
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["name"] == "small"


def test_results_are_not_replaced_though_their_checkpoint_is_gone(tmp_path: Path, compiled: Compiled) -> None:
    train(compiled(), settings(tmp_path / "run"))
    remove_saved(tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(RunNotFound, match=r"results of a finished run, but no checkpoint in checkpoints"):
        train(compiled(), settings(tmp_path / "run", resume=True))
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_a_run_that_can_not_be_resumed_begins(
    tmp_path: Path, compiled: Compiled, curve: Curve, capsys: pytest.CaptureFixture[str]
) -> None:
    train(compiled(), settings(tmp_path / "whole"))
    assert "no checkpoint in" not in capsys.readouterr().out
    train(compiled(), settings(tmp_path / "new", resume=True))
    assert f"no checkpoint in {tmp_path}/new; starting from scratch" in capsys.readouterr().out
    assert curve(tmp_path / "new") == curve(tmp_path / "whole")
    train(compiled(), settings(tmp_path / "new", resume=True))
    assert "no checkpoint in" not in capsys.readouterr().out


@pytest.mark.parametrize("earlier", [False, True])
def test_a_checkpoint_that_was_not_written_is_not_told_of(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch, earlier: bool
) -> None:
    save = CheckpointWriter.save

    def stopped_in_writing(writer: CheckpointWriter, spec: str, state: dict[str, Any], noted: Noted) -> None:
        if earlier and noted.step == 4:
            save(writer, spec, state, noted)
            writer.wait()
            return
        for number in (signal.SIGTERM, signal.SIGINT):  # the second one does not wait for the step's end
            os.kill(os.getpid(), number)

    monkeypatch.setattr(CheckpointWriter, "save", stopped_in_writing)
    told = "the last checkpoint is of step 4" if earlier else "there is no checkpoint yet"
    with pytest.raises(RunError, match=f"after step {6 if earlier else 4} of 12; {told}") as caught:
        train(compiled(), settings(tmp_path / "run"))
    assert caught.value.help.startswith("resume with: " if earlier else "restart with: ")
    monkeypatch.undo()
    train(compiled(), settings(tmp_path / "run", resume=True))


def test_the_log_says_what_a_run_does_besides_its_results(
    tmp_path: Path, compiled: Compiled, caplog: pytest.LogCaptureFixture
) -> None:
    sets = {"train.steps": 4, "train.skip_above": 1e-9}
    with caplog.at_level(logging.INFO, logger="hvaedsl_runtime"):
        with pytest.raises(NoUpdate):
            train(compiled(sets), settings(tmp_path / "run"))
        assert "step 3: update skipped, gradient norm" in caplog.text
        caplog.clear()
        train(compiled({"train.steps": 6}), settings(tmp_path / "other"))
        train(compiled({"train.steps": 8}), settings(tmp_path / "other", resume=True))
    six, eight = (tmp_path / "other" / "checkpoints" / f"step-0000000{step}" for step in (6, 8))
    four = six.with_name("step-00000004")
    # The evaluation does not wait for the checkpoint that was saved before it.
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert messages == [
        f"checkpoint written: {four}",
        "evaluation after step 6",
        f"checkpoint written: {six}",
        "final evaluation after step 6",
        f"resuming from step 6 of {six}",
        f"checkpoint written: {eight}",
        "final evaluation after step 8",
    ]
    assert {record.name.split(".")[0] for record in caplog.records} == {"hvaedsl_runtime"}


def test_without_a_level_nothing_is_logged_to_the_terminal(
    tmp_path: Path, compiled: Compiled, capsys: pytest.CaptureFixture[str]
) -> None:
    train(compiled({"train.steps": 4}), settings(tmp_path / "run"))
    train(compiled({"train.steps": 5}), settings(tmp_path / "run", resume=True))
    assert capsys.readouterr().err == ""


def test_a_stop_before_the_first_step_is_saved(tmp_path: Path, compiled: Compiled, curve: Curve) -> None:
    train(compiled(), settings(tmp_path / "whole"))
    alone = Processes(0, 1, torch.device("cpu"))
    with TrainingRun(compiled(), settings(tmp_path / "parts"), alone) as run, Interruption() as interruption:
        interruption.received = signal.SIGINT
        with pytest.raises(InterruptionError):
            loop.train_to_the_end(run, interruption)
        assert run.saved_step == 0
    train(compiled(), settings(tmp_path / "parts", resume=True))
    assert curve(tmp_path / "parts") == curve(tmp_path / "whole")


def test_figures_that_are_not_finite_leave_valid_json(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_finite(evaluator: Evaluator, *_: Any) -> LikelihoodBound:
        return LikelihoodBound(len(evaluator.images), 64, math.nan, math.inf, (math.inf, math.nan))

    monkeypatch.setattr(Evaluator, "__call__", not_finite)
    with pytest.raises(Diverged, match="test images with the raw weights is not finite"):
        train(compiled(), settings(tmp_path / "run"))
    finished = FinishedRun.open(tmp_path / "run", "cpu")
    finished.write_evaluation("test", finished.evaluate("test"))

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for name, key in (("summary.json", "test"), ("eval_test.json", None)):
        content = json.loads((tmp_path / "run" / name).read_text(), parse_constant=refuse)
        raw = (content if key is None else content[key])["raw"]
        assert (raw["images"], raw["loss_nats_per_dim"], raw["bits_per_dim"]) == (11, None, None)


def test_a_relative_path_is_absolute_in_the_run(
    tmp_path: Path, compiled: Compiled, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train(compiled({"data.path": '"images"'}), settings(tmp_path / "run"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert hvaedsl.load(tmp_path / "run" / "spec.hvae").spec.data.path == str(images)
    assert FinishedRun.open(tmp_path / "run", "cpu").evaluate("test")["raw"].images == 11
    train(hvaedsl.load(tmp_path / "run" / "spec.hvae"), settings(tmp_path / "run", resume=True))


def test_validation_images_of_their_own_are_evaluated_though_none_is_held_out(
    tmp_path: Path, compiled: Compiled, curve: Curve
) -> None:
    train(compiled({"data.validation": 0}), settings(tmp_path / "run"))
    validated = {(line["step"], line["images"]) for line in curve(tmp_path / "run") if line["split"] == "validation"}
    assert validated == {(6, 10), (12, 10)}


def test_a_run_is_not_resumed_on_other_images_unless_that_is_accepted(
    tmp_path: Path, compiled: Compiled, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(compiled({"train.steps": 4}), settings(tmp_path / "run"))
    resumed, sets = settings(tmp_path / "run", resume=True), {"train.steps": 6}
    np.save(images / "train.npy", np.load(images / "train.npy")[::-1])
    np.save(images / "test.npy", np.load(images / "test.npy")[1:])
    with pytest.raises(RunMismatch) as caught:
        train(compiled(sets), resumed)
    assert "was trained on other images; train: of 64 images that were compared, some" in str(caught.value)
    assert "; test: 11 images then, 10 now" in str(caught.value)
    assert "--accept-images" in caught.value.help

    accepted = resumed.model_copy(update={"accept_images": True})
    assert "--accept-images" not in accepted.resume_command()  # it is said once for each change
    train(compiled(sets), accepted)
    assert "the images have changed since the run began: train: of 64 images" in capsys.readouterr().out
    train(compiled({"train.steps": 7}), resumed)
    assert "have changed" not in capsys.readouterr().out


def test_a_run_without_a_record_of_its_images_is_resumed(tmp_path: Path, compiled: Compiled) -> None:
    train(compiled({"train.steps": 4}), settings(tmp_path / "run"))
    recorded = read_checked(tmp_path / "run" / "run.json", way_out="")
    assert recorded["images"].keys() == {"train", "validation", "test"}
    unusable: list[object] = [None, {}, [], {"train": 3}]
    for images in unusable:
        (tmp_path / "run" / "run.json").write_text(json.dumps({"name": "small", "images": images}))
        train(compiled({"train.steps": 4}), settings(tmp_path / "run", resume=True))
    assert read_checked(tmp_path / "run" / "run.json", way_out="") == recorded
