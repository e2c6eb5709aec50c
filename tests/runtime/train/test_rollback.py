"""`on_spike = rollback`: after many skipped updates a run returns to a checkpoint and leaves out the batches since."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hvaedsl import Program
from hvaedsl.diagnostics.errors import Diverged
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.saved_checkpoints import newest_good
from hvaedsl_runtime.train.batches import MicroBatch, TrainingBatches
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.step import TrainingStep
from tests.runtime.equal_states import same
from tests.runtime.logged_events import logged_events

Compiled = Callable[..., Program]

# 30 images and 4 a step; a checkpoint every second step.
SETS: dict[str, object] = {"train.on_spike": "rollback(after = 3, times = 2)", "train.save_every": 2}


def settings(out: Path, *, resume: bool = False) -> RunSettings:
    return RunSettings(out=out, resume=resume, device="cpu", threads=1, dtype="float64")


def spoil(monkeypatch: pytest.MonkeyPatch, batches: range) -> None:
    """Make the inputs of these batches NaN: those of the stream, whatever steps they belong to."""
    split = TrainingBatches._micro_batches

    def spoiled(self: TrainingBatches, batch: int, pixels: torch.Tensor, size: int) -> Iterator[MicroBatch]:
        for part in split(self, batch, pixels, size):
            yield part._replace(x=part.x * math.nan) if batch in batches else part

    monkeypatch.setattr(TrainingBatches, "_micro_batches", spoiled)


def saved(folder: Path) -> dict[str, Any]:
    found = newest_good(RunFolder(folder).checkpoints, print)
    assert found is not None
    return found.state


def lines(folder: Path) -> list[dict[str, Any]]:
    return [line for line in read_metrics(RunFolder(folder).metrics) if line["split"] == "train"]


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    return logged_events(RunFolder(folder).metrics, kind)


def test_a_run_of_skipped_updates_is_left_out(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Batches 7 to 10: after three skips, at step 10, the run returns to step 6 and goes on with batch 10."""
    train(compiled(SETS), settings(tmp_path / "undisturbed"))
    with monkeypatch.context() as patched:
        spoil(patched, range(7, 11))
        train(compiled(SETS), settings(tmp_path / "run"))

    state = saved(tmp_path / "run")
    assert state["position"]["step"] == 12
    assert state["recovery"] == {"rollbacks": 1, "left_out": 4, "rate": 1.0}
    found = lines(tmp_path / "run")
    assert [line["step"] for line in found] == list(range(1, 13))
    assert [line["step"] for line in found if not line["applied"]] == [7]  # with batch 10
    assert [line["loss_nats_per_dim"] for line in found[:6]] == [
        line["loss_nats_per_dim"] for line in lines(tmp_path / "undisturbed")[:6]
    ]
    assert "step 10: rollback 1 to the checkpoint of step 6; the run continues from there with other images" in (
        capsys.readouterr().out
    )

    (rollback,) = events(tmp_path / "run", "rollback")
    assert (rollback["from_step"], rollback["left_out_batches"]) == (10, 4)
    skips = events(tmp_path / "run", "skipped")
    assert [event["step"] for event in skips] == [8, 9, 10, 7]
    assert all(event["ranks"] == [0] and event["gradient_norm"] is None for event in skips)
    assert len(skips[0]["images"]) == 4
    assert set(skips[0]["images"]) <= set(range(30))


def test_a_run_that_is_resumed_after_a_rollback_is_the_uninterrupted_one(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, range(7, 11))
    train(compiled(SETS), settings(tmp_path / "whole"))
    train(compiled({**SETS, "train.steps": 11}), settings(tmp_path / "parts"))
    assert saved(tmp_path / "parts")["recovery"]["left_out"] == 4
    train(compiled(SETS), settings(tmp_path / "parts", resume=True))
    for part in ("model", "ema", "optimizer", "recovery"):
        assert same(saved(tmp_path / "parts")[part], saved(tmp_path / "whole")[part]), part


def test_every_rollback_multiplies_the_learning_rate(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(monkeypatch, range(5, 8))
    sets = {**SETS, "train.on_spike": "rollback(after = 3, rate = 0.25)"}
    train(compiled(sets), settings(tmp_path / "run"))
    rates = [line["learning_rate"] for line in lines(tmp_path / "run")]
    assert rates[:4] == pytest.approx([0, 1e-3 / 3, 2e-3 / 3, 1e-3])
    assert rates[4:] == pytest.approx([2.5e-4] * 8)
    assert "with 0.25 times the learning rate" in capsys.readouterr().out


def test_weights_that_are_not_finite_are_given_up(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The update of step 6, with batch 5, spoils a weight; a checkpoint is due then, and is not written."""
    update, batches = TrainingStep._update, []

    def spoiled(self: TrainingStep, norm: Tensor, is_due: Tensor, rate: float) -> None:
        update(self, norm, is_due, rate)
        if is_due:
            batches.append(self.state.batch)
        if self.state.batch == 5:
            self.state.trainable[0].data.view(-1)[0] = math.nan

    monkeypatch.setattr(TrainingStep, "_update", spoiled)
    train(compiled(SETS), settings(tmp_path / "run"))
    state = saved(tmp_path / "run")
    assert all(torch.isfinite(weight).all() for weight in state["model"].values())
    assert state["recovery"] == {"rollbacks": 1, "left_out": 3, "rate": 1.0}
    assert [event["from_step"] for event in events(tmp_path / "run", "rollback")] == [7]
    assert batches == [0, 1, 2, 3, 4, 5, *range(7, 15)]


def test_a_run_rolls_back_as_often_as_it_may(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, range(5, 100))
    with pytest.raises(Diverged, match="3 consecutive updates were skipped, after 2 rollbacks") as caught:
        train(compiled(SETS), settings(tmp_path / "run"))
    assert caught.value.exit_code == 7
    assert len(events(tmp_path / "run", "rollback")) == 2
    assert saved(tmp_path / "run")["recovery"]["rollbacks"] == 2


def test_without_a_checkpoint_from_before_the_run_ends(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, range(1, 100))
    with pytest.raises(Diverged, match="there is no checkpoint from before step 2, to which the run could return"):
        train(compiled(SETS), settings(tmp_path / "run"))


def test_with_stop_the_run_ends_as_before(tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hvaedsl_runtime.train.loop.NOT_FINITE_BEFORE_STOPPING", 5)
    spoil(monkeypatch, range(3, 100))
    with pytest.raises(Diverged, match="the loss was not finite in 5 consecutive steps"):
        train(compiled({"train.save_every": 2}), settings(tmp_path / "run"))
    assert events(tmp_path / "run", "rollback") == []
