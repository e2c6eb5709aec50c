from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hvaedsl import Program
from hvaedsl.diagnostics.errors import RunError, SpecError
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.evaluate.evaluator import Evaluator, LikelihoodBound
from hvaedsl_runtime.train import loop
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.run import TrainingRun
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.step import StepResult, TrainingStep
from tests.runtime.saved_states import saved
from tests.soak import soak

Compiled = Callable[..., Program]
Curve = Callable[[Path], list[dict[str, Any]]]


def settings(out: Path, *, resume: bool = False) -> RunSettings:
    return RunSettings(out=out, resume=resume, device="cpu", threads=1)


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, signal.Signals], None]:
    """Send this process a signal while a step is taken."""

    def arrange(step: int, number: signal.Signals) -> None:
        take_step = loop.take_step

        def interrupted(run: TrainingRun) -> None:
            take_step(run)
            if run.state.step == step:
                os.kill(os.getpid(), number)

        monkeypatch.setattr(loop, "take_step", interrupted)

    return arrange


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, module_program: Program) -> Path:
    """The run of the spec without interruption, with which others are compared."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(module_program, settings(folder))
    return folder


def test_a_run_leaves_everything_in_its_folder(tmp_path: Path, compiled: Compiled, curve: Curve) -> None:
    train(compiled(), settings(tmp_path / "run"))
    written = {str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run").rglob("*") if path.is_file()}
    pictures = {
        f"{k}/{n}.png" for k in ("samples", "reconstructions") for n in ("step-00000006", "step-00000012", "final")
    }
    checkpoints = {
        f"checkpoints/step-{step:08d}/{name}"
        for step in (6, 8, 12)
        for name in ("manifest.json", "state.json", "model.safetensors", "ema.safetensors", "optimizer.safetensors")
    }
    best = {"checkpoints/best.json"}
    assert written == {"spec.hvae", "run.json", "metrics.jsonl", "summary.json"} | pictures | checkpoints | best
    lines = curve(tmp_path / "run")
    assert [line["step"] for line in lines if line["split"] == "train"] == list(range(1, 13))
    evaluations = [(line["step"], line["split"], line["weights"]) for line in lines if "weights" in line]
    assert evaluations == [
        (step, split, weights)
        for step, split in ((6, "validation"), (12, "validation"), (12, "test"))
        for weights in ("raw", "ema")
    ]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["images"] == {"train": 30, "validation": 10, "test": 11}
    assert summary["test"]["raw"]["bits_per_dim"] == lines[-2]["bits_per_dim"]
    assert 3.5 < summary["histogram_baseline_bits_per_dim"] < 5
    assert summary["unit"] == "bits_per_dim"


def test_the_result_is_printed_with_the_baseline(
    tmp_path: Path, compiled: Compiled, capsys: pytest.CaptureFixture[str]
) -> None:
    train(compiled(), settings(tmp_path / "run"))
    printed = capsys.readouterr().out
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    for figure in (
        summary["test"]["raw"]["bits_per_dim"],
        summary["test"]["ema"]["bits_per_dim"],
        summary["histogram_baseline_bits_per_dim"],
    ):
        assert f"{figure:.4f}" in printed
    assert "30 train, 10 validation, 11 test" in printed
    assert "seed 3" in printed
    assert "step 12/12: " in printed
    assert "bits/dim" in printed


def test_the_same_seed_gives_the_same_curve_and_another_another(
    tmp_path: Path, compiled: Compiled, curve: Curve
) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train(compiled({"train.seed": seed}), settings(tmp_path / name))
    a, b, c = (curve(tmp_path / name) for name in "abc")
    assert a == b
    assert all(x["loss_nats_per_dim"] != y["loss_nats_per_dim"] for x, y in zip(a, c, strict=True))


@pytest.mark.parametrize(
    ("number", "step"),
    [
        *((signal.SIGINT, step) for step in (5, 6, 12)),
        *((number, 5) for number in (signal.SIGTERM, signal.SIGUSR1)),
        *(soak(number, step) for number in (signal.SIGTERM, signal.SIGUSR1) for step in (6, 12)),
    ],
)
def test_a_stopped_and_resumed_run_is_the_uninterrupted_one(
    tmp_path: Path,
    whole: Path,
    compiled: Compiled,
    curve: Curve,
    stop_after: Callable[[int, signal.Signals], None],
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    number: signal.Signals,
) -> None:
    stop_after(step, number)
    with pytest.raises(RunError, match=f"stopped by {number.name} after step {step} of 12") as caught:
        train(compiled(), settings(tmp_path / "parts"))
    assert caught.value.exit_code == 128 + number
    assert f"hvaedsl train {tmp_path}/parts/spec.hvae --out {tmp_path}/parts --resume" in caught.value.help
    assert signal.getsignal(number) is not None
    monkeypatch.undo()
    train(compiled(), settings(tmp_path / "parts", resume=True))
    assert curve(tmp_path / "parts") == curve(whole)
    found, expected = saved(tmp_path / "parts"), saved(whole)
    for kind in ("model", "ema"):
        assert all(torch.equal(found[kind][name], value) for name, value in expected[kind].items())


@pytest.mark.parametrize("call", [0, 1])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_an_evaluation_that_is_interrupted_is_made_up_for(
    tmp_path: Path,
    whole: Path,
    compiled: Compiled,
    curve: Curve,
    monkeypatch: pytest.MonkeyPatch,
    split: str,
    call: int,
) -> None:
    evaluate = Evaluator.__call__
    calls = iter(range(100))

    def interrupted(self: Evaluator, *arguments: Any) -> LikelihoodBound:
        if self.images.split == split and next(calls) == call:
            os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(self, *arguments)

    monkeypatch.setattr(Evaluator, "__call__", interrupted)
    step = 6 if split == "validation" else 12
    with pytest.raises(
        RunError, match=f"stopped by SIGTERM after step {step} of 12; the last checkpoint is of step {step}"
    ):
        train(compiled(), settings(tmp_path / "parts"))
    monkeypatch.undo()
    train(compiled(), settings(tmp_path / "parts", resume=True))
    assert curve(tmp_path / "parts") == curve(whole)


def test_lines_beyond_the_checkpoint_are_taken_again(
    tmp_path: Path, whole: Path, compiled: Compiled, curve: Curve
) -> None:
    train(compiled({"train.steps": 8, "train.save_every": 8}), settings(tmp_path / "parts"))
    with (tmp_path / "parts" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "split": "train", "loss_nats_per_dim": 77}\n{"step": 10, "spl')
    train(compiled(), settings(tmp_path / "parts", resume=True))
    assert curve(tmp_path / "parts") == curve(whole)


def test_a_finished_run_that_is_resumed_stays_as_it_is(tmp_path: Path, compiled: Compiled, curve: Curve) -> None:
    train(compiled(), settings(tmp_path / "run"))
    before = curve(tmp_path / "run"), (tmp_path / "run" / "summary.json").read_text()
    train(compiled(), settings(tmp_path / "run", resume=True))
    assert (curve(tmp_path / "run"), (tmp_path / "run" / "summary.json").read_text()) == before


def test_a_run_killed_before_its_first_checkpoint_begins_again(
    tmp_path: Path, whole: Path, compiled: Compiled, curve: Curve, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def killed(run: TrainingRun, **_: object) -> None:
        raise KilledError

    monkeypatch.setattr(TrainingRun, "save", killed)
    with pytest.raises(KilledError):
        train(compiled(), settings(tmp_path / "parts"))
    monkeypatch.undo()
    assert not RunFolder(tmp_path / "parts").checkpoint.exists()
    train(compiled(), settings(tmp_path / "parts", resume=True))
    assert curve(tmp_path / "parts") == curve(whole)


def test_an_existing_run_is_refused_without_resume(tmp_path: Path, compiled: Compiled) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="is not empty"):
        train(compiled(), settings(tmp_path / "run"))
    assert os.listdir(tmp_path / "run") == ["notes.txt"]  # noqa: PTH208


def test_nothing_is_written_where_the_images_are_missing(tmp_path: Path, compiled: Compiled) -> None:
    with pytest.raises(RunError) as caught:
        train(compiled({"data.path": '"nowhere"'}), settings(tmp_path / "run"))
    assert caught.value.exit_code == 4
    assert not (tmp_path / "run").exists()


def test_another_spec_or_precision_is_not_resumed(tmp_path: Path, compiled: Compiled) -> None:
    train(compiled(), settings(tmp_path / "run"))
    with pytest.raises(RunError, match=r"train\.seed: 3 in the run, 4 now"):
        train(compiled({"train.seed": 4}), settings(tmp_path / "run", resume=True))
    with pytest.raises(RunError, match="float32"):
        train(compiled(), settings(tmp_path / "run", resume=True).model_copy(update={"dtype": "float64"}))


def test_a_spec_that_is_not_complete_is_told_before_anything_else(tmp_path: Path, compiled: Compiled) -> None:
    with pytest.raises(SpecError, match="steps"):
        train(compiled({"train.steps": "none"}), settings(tmp_path / "run"))


def test_a_run_that_skips_every_update_fails(tmp_path: Path, compiled: Compiled, curve: Curve) -> None:
    with pytest.raises(RunError, match="no update was applied in all 12 steps") as caught:
        train(compiled({"train.skip_above": 1e-9}), settings(tmp_path / "run"))
    assert caught.value.exit_code == 7
    assert "train.skip_above" in caught.value.help
    steps = [line for line in curve(tmp_path / "run") if line["split"] == "train"]
    assert [line["skipped_updates"] for line in steps] == list(range(1, 13))
    assert not any(line["applied"] for line in steps)


def test_so_does_one_that_skips_too_many_in_a_row(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SKIPS_BEFORE_STOPPING", 3)
    call = TrainingStep.__call__

    def only_early_ones(self: TrainingStep, step: int, *rest: Any) -> StepResult:
        result = call(self, step, *rest)
        return result if step < 5 else StepResult(math.nan, math.nan, math.nan, math.nan, 0.0, False)

    monkeypatch.setattr(TrainingStep, "__call__", only_early_ones)
    with pytest.raises(RunError, match="in 3 consecutive steps; the last gradient norm was nan") as caught:
        train(compiled(), settings(tmp_path / "run"))
    assert caught.value.exit_code == 7
    assert "train.learning_rate" in caught.value.help


def test_exhausted_memory_is_explained(tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: Any) -> StepResult:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. And a page more")

    monkeypatch.setattr(TrainingStep, "__call__", exhausted)
    with pytest.raises(RunError, match=r"out of GPU memory: CUDA out of memory$") as caught:
        train(compiled(), settings(tmp_path / "run"))
    assert caught.value.exit_code == 6
    assert "train.recompute_every" in caught.value.help


def test_a_missing_gpu_is_told(tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    with pytest.raises(RunError, match="1 CUDA device requested; 0 available") as caught:
        train(compiled(), settings(tmp_path / "run").model_copy(update={"device": "cuda"}))
    assert caught.value.exit_code == 6


def test_without_validation_images_the_test_set_alone_is_evaluated(
    tmp_path: Path, images: Path, compiled: Compiled, curve: Curve
) -> None:
    (images / "validation.npy").unlink()
    train(compiled({"data.validation": 0}), settings(tmp_path / "run"))
    assert {line["split"] for line in curve(tmp_path / "run")} == {"train", "test"}
    assert (tmp_path / "run" / "reconstructions" / "final.png").exists()


def test_binary_images_are_reported_in_nats_per_image(
    tmp_path: Path, compiled: Compiled, binary: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    train(compiled(binary), settings(tmp_path / "run"))
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["unit"] == "nats_per_image"
    assert summary["histogram_baseline_bits_per_dim"] is None
    raw = summary["test"]["raw"]
    assert raw["nats_per_image"] == pytest.approx(64 * raw["loss_nats_per_dim"])
    assert 30 < raw["nats_per_image"] < 60  # 64 ln 2 is 44.4
    printed = capsys.readouterr().out
    assert f"{raw['nats_per_image']:.4f}" in printed
    assert "nats/image" in printed
