"""Runs whose weights or likelihoods become NaN, and the commands on what they leave."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

import hvaedsl
from hvaedsl import Program
from hvaedsl.diagnostics.errors import Diverged, RunNotFound
from hvaedsl_runtime.disk.checked_json import CRC32, checked_text
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.disk.not_finite import first_not_finite
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.train import loop
from hvaedsl_runtime.train.batches import MicroBatch, StepImages
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.step import StepResult, TrainingStep
from tests.runtime.saved_states import remove_saved, replace_saved, saved

Compiled = Callable[..., Program]
Command = Callable[..., tuple[object, str, str]]


def settings(out: Path, *, resume: bool = False) -> RunSettings:
    return RunSettings(out=out, resume=resume, device="cpu", threads=1)


def steps_in(folder: Path) -> list[int]:
    lines = read_metrics(folder / "metrics.jsonl")
    return [line["step"] for line in lines if line["split"] == "train"]


@pytest.fixture
def weight_becomes_nan(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Spoil one weight in the update of a step, counted from 1."""

    def arrange(step: int) -> None:
        update = TrainingStep._update

        def spoiled(self: TrainingStep, norm: Tensor, is_due: Tensor, learning_rate: float) -> None:
            update(self, norm, is_due, learning_rate)
            if self.state.step + 1 == step:
                with torch.no_grad():
                    self.state.model.decoder.gain[0, 0] = math.nan

        monkeypatch.setattr(TrainingStep, "_update", spoiled)

    return arrange


@pytest.mark.parametrize(("spoiled", "noticed"), [(5, 6), (8, 8)])  # by the next loss; before the next checkpoint
def test_weights_that_become_nan_end_the_run_and_keep_the_last_good_checkpoint(
    tmp_path: Path, compiled: Compiled, weight_becomes_nan: Callable[[int], None], spoiled: int, noticed: int
) -> None:
    weight_becomes_nan(spoiled)
    with pytest.raises(Diverged) as caught:
        train(compiled(), settings(tmp_path / "run"))
    good = {5: 4, 8: 6}[spoiled]
    assert caught.value.exit_code == 7
    assert f"after step {noticed}, of the raw weights, `decoder.gain` is NaN in 1 of 8 values" in str(caught.value)
    assert f"the last checkpoint is of step {good}" in str(caught.value)
    assert "lower train.learning_rate (0.001)" in caught.value.help
    assert saved(tmp_path / "run")["position"]["step"] == good
    assert first_not_finite(saved(tmp_path / "run")["model"]) is None
    assert steps_in(tmp_path / "run") == list(range(1, noticed + 1))


def test_a_step_that_is_not_finite_is_only_skipped(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = TrainingStep.__call__

    def one_bad_step(self: TrainingStep, step: int, images: StepImages) -> StepResult:
        def spoiled(size: int) -> Iterator[MicroBatch]:
            return (batch._replace(x=batch.x * math.nan) for batch in images(size))

        return call(self, step, spoiled if step in (3, 11) else images)

    monkeypatch.setattr(TrainingStep, "__call__", one_bad_step)
    train(compiled(), settings(tmp_path / "run"))
    state = saved(tmp_path / "run")
    assert (state["position"]["step"], state["counters"]["skipped_updates"]) == (12, 2)


def test_losses_that_stay_nan_end_the_run_and_do_not_replace_the_checkpoint(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "NOT_FINITE_BEFORE_STOPPING", 8)
    with pytest.raises(
        Diverged, match=r"the loss was not finite in 8 consecutive steps; the last checkpoint is of step 2"
    ):
        train(compiled({"train.learning_rate": 1e30, "train.save_every": 2}), settings(tmp_path / "run"))
    assert saved(tmp_path / "run")["position"]["step"] == 2


@pytest.mark.parametrize(
    ("sets", "way"),
    [
        (
            {"train.weight_decay": 1e30},
            "lower train.weight_decay (1e+30), or lower train.learning_rate (0.001): weights",
        ),
        (
            {"train.rates": "{encoder: 0.5, decoder: 1e30}"},
            "lower train.weight_decay (0.01), or lower train.learning_rate (0.001) or train.rates (decoder: 1e+30)",
        ),
        (
            {"train.rates": "{encoder: 0.5, decoder: 1e30}", "train.weight_decay": 0},
            "lower train.learning_rate (0.001) or train.rates (decoder: 1e+30), or set train.skip_above",
        ),
    ],
)
def test_the_advice_names_the_setting_that_makes_weights_grow(
    tmp_path: Path, compiled: Compiled, sets: dict[str, object], way: str
) -> None:
    with pytest.raises(Diverged) as caught:
        train(compiled(sets), settings(tmp_path / "run"))
    assert caught.value.help.startswith(way)


def test_a_run_that_ends_without_a_finite_likelihood_has_not_succeeded(tmp_path: Path, compiled: Compiled) -> None:
    with pytest.raises(Diverged, match="after step 12, the likelihood of the test images with the raw weights is not"):
        train(compiled({"train.learning_rate": 1e30}), settings(tmp_path / "run"))
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["test"]["raw"]["bits_per_dim"] is None


def test_commands_on_a_run_that_diverged_before_its_first_checkpoint_say_so(
    tmp_path: Path, compiled: Compiled, command: Command
) -> None:
    run = tmp_path / "run"
    with pytest.raises(Diverged):
        train(compiled({"train.learning_rate": 1e30}), settings(run))
    for name, *rest in COMMANDS:
        code, _, err = command(*((name, *rest[:1], run) if name == "analyze" else (name, run, *rest)))
        assert code == 5
        assert f"{run} has no checkpoint: the run diverged before its first one" in err
        assert f"hvaedsl compare {run} OTHER_RUN shows its curves; lower train.learning_rate or set" in err


def test_a_run_that_diverged_before_its_first_checkpoint_is_not_resumed(tmp_path: Path, compiled: Compiled) -> None:
    program, run = compiled({"train.learning_rate": 1e30}), tmp_path / "run"
    with pytest.raises(Diverged):
        train(program, settings(run))
    with pytest.raises(RunNotFound, match="run diverged before its first checkpoint: the run cannot be") as caught:
        train(program, settings(run, resume=True))
    assert caught.value.help.startswith("lower train.learning_rate or set train.skip_above, and train into another")


def test_a_run_that_diverged_and_lost_its_checkpoints_needs_them_back(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "NOT_FINITE_BEFORE_STOPPING", 8)
    program, run = compiled({"train.learning_rate": 1e30, "train.save_every": 2}), tmp_path / "run"
    with pytest.raises(Diverged, match="the last checkpoint is of step 2"):
        train(program, settings(run))
    remove_saved(run)
    with pytest.raises(RunNotFound, match="has the log of 10 steps, but no checkpoint in checkpoints") as caught:
        train(program, settings(run, resume=True))
    assert "restore a checkpoint from a backup" in caught.value.help
    with pytest.raises(RunNotFound, match="the run took 10 steps, and what was in checkpoints is gone"):
        FinishedRun.open(run, "cpu")


@pytest.mark.parametrize(
    ("removed", "reason", "way_on"),
    [
        ((), "the run is finished, and what was in checkpoints is gone", "restore that folder"),
        (
            ("summary.json",),
            "the run took 12 steps, and what was in checkpoints is gone",
            "restore that folder",
        ),
    ],
)
def test_a_run_that_lacks_its_checkpoint_for_another_reason_has_not_diverged(
    tmp_path: Path, compiled: Compiled, removed: tuple[str, ...], reason: str, way_on: str
) -> None:
    train(compiled(), settings(tmp_path / "run"))
    remove_saved(tmp_path / "run")
    for name in removed:
        (tmp_path / "run" / name).unlink()
    with pytest.raises(RunNotFound, match=reason) as caught:
        FinishedRun.open(tmp_path / "run", "cpu")
    assert way_on in caught.value.help


@pytest.fixture
def spoiled_run(tmp_path: Path, spec_path: Path) -> Callable[[Callable[[Tensor], object]], Path]:
    """A finished run whose saved weights are changed in place."""
    train(hvaedsl.load(spec_path), settings(tmp_path / "run"))

    def spoil(change: Callable[[Tensor], object]) -> Path:
        content = saved(tmp_path / "run")
        for weights in (content["model"], content["ema"]):
            for tensor in weights.values():
                change(tensor)
        replace_saved(tmp_path / "run", content)
        return tmp_path / "run"

    return spoil


COMMANDS = (
    ("eval", "--json"), ("sample",), ("report",), ("analyze", "kl"), ("analyze", "state-norms"),
    ("analyze", "discarded"), ("analyze", "temperatures"), ("analyze", "reconstructions"), ("analyze", "curves"),
)  # fmt: skip


@pytest.mark.parametrize("change", [lambda tensor: tensor.fill_(math.nan), lambda tensor: tensor.mul_(1e12)])
def test_no_command_on_a_diverged_run_ends_as_a_bug(
    tmp_path: Path,
    spoiled_run: Callable[[Callable[[Tensor], object]], Path],
    command: Command,
    change: Callable[[Tensor], object],
) -> None:
    run = spoiled_run(change)
    codes = {}
    for name, *rest in COMMANDS:
        arguments = (name, *rest[:1], run) if name == "analyze" else (name, run, *rest)
        code, out, err = command(*arguments, "--device", "cpu")
        codes[" ".join((name, *rest))] = code
        assert code in (0, 7), (arguments, err)
        assert "Traceback" not in err
        if code:
            assert "diverged" in err
        if name == "eval" and code == 0:
            assert "the bound is not finite" in err
            assert json.loads(out, parse_constant=pytest.fail)["raw"]["bits_per_dim"] is None
    code, _, err = command("reconstruct", run, "--split", "test", "--out", tmp_path / "x.npz", "--device", "cpu")
    assert code == codes["sample"] == 7
    assert "diverged" in err
    assert codes["analyze curves"] == 0


def test_weights_that_are_not_finite_are_neither_resumed_nor_converted_nor_exported(
    tmp_path: Path, spoiled_run: Callable[[Callable[[Tensor], object]], Path], spec_path: Path, command: Command
) -> None:
    run = spoiled_run(lambda tensor: tensor.fill_(math.inf) if tensor.shape == (1, 8, 1, 1) else None)
    torch.save(saved(run)["model"], tmp_path / "weights.th")
    for expected, arguments in (
        (7, ("train", run / "spec.hvae", "--out", run, "--resume", "--set", "train.steps=20")),
        (7, ("convert", run, "--to", tmp_path / "out.safetensors")),
        (7, ("export", run, "--to", "safetensors", "--out", tmp_path / "out.safetensors")),
        (5, ("convert", spec_path, "--from", tmp_path / "weights.th", "--out", tmp_path / "converted")),
    ):
        code, _, err = command(*arguments)
        assert code == expected, err
        assert "`decoder.gain` is infinite in 8 of 8 values" in err
    assert not (tmp_path / "out.safetensors").exists()
    assert not (tmp_path / "converted").exists()


def test_compare_names_the_runs_that_diverged(tmp_path: Path, compiled: Compiled, command: Command) -> None:
    train(compiled(), settings(tmp_path / "good"))
    shutil.copytree(tmp_path / "good", tmp_path / "bad")
    lines = read_metrics(tmp_path / "bad" / "metrics.jsonl")
    for line in lines[-3:]:
        line |= {"loss_nats_per_dim": None, "kl_nats": [None] * 4}
    (tmp_path / "bad" / "metrics.jsonl").write_text("".join(checked_text(line, CRC32) + "\n" for line in lines))
    code, out, err = command("compare", tmp_path / "good", tmp_path / "bad", "--json", "--out", tmp_path / "compared")
    assert code == 0, err
    assert json.loads(out, parse_constant=pytest.fail)["notes"] == [
        "Diverged runs, whose last logged likelihood is not finite: bad."
    ]


@pytest.mark.parametrize(("part", "name"), [("model", "encoder.stem.weight"), ("preparation", "scale")])
def test_a_checkpoint_whose_parts_do_not_fit_is_one_error(
    tmp_path: Path, compiled: Compiled, command: Command, part: str, name: str
) -> None:
    train(compiled(), settings(tmp_path / "run"))
    content = saved(tmp_path / "run")
    del content[part][name]
    replace_saved(tmp_path / "run", content)
    code, _, err = command("eval", tmp_path / "run", "--device", "cpu")
    assert code == 5, err
    assert "the checkpoint cannot be used" in err


def test_the_first_tensor_that_is_not_finite_is_named() -> None:
    good, counts = torch.ones(3), torch.tensor([1, 2])
    assert first_not_finite({}) is None
    assert first_not_finite({"a": good, "n": counts}) is None
    assert first_not_finite({"a": good, "b": torch.tensor([1.0, -math.inf])}) == "`b` is infinite in 1 of 2 values"
    assert first_not_finite({"b": torch.tensor([math.inf, math.nan])}) == "`b` is NaN in 2 of 2 values"


def test_samples_of_a_finite_model_are_drawn(tmp_path: Path, compiled: Compiled) -> None:
    train(compiled(), settings(tmp_path / "run"))
    assert FinishedRun.open(tmp_path / "run", "cpu").sample("raw", 2, 1.0, 0).shape == (2, 8, 8, 1)
