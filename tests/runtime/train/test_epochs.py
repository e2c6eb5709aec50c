"""A run of a number of epochs: its steps, what it records, and resuming it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hvaedsl import Program
from hvaedsl.diagnostics.errors import RunMismatch
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.run_folder import RunFolder, RunLength
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings
from tests.runtime.equal_states import same

Compiled = Callable[..., Program]
STEPS = 15  # 2 epochs of 30 images in batches of 4


def settings(folder: Path, **more: object) -> RunSettings:
    return RunSettings.model_validate({"out": folder, "device": "cpu", **more})


def with_images(folder: Path, count: int) -> None:
    np.save(folder / "train.npy", np.random.default_rng(1).integers(0, 17, (count, 8, 8, 1), dtype=np.uint8))


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_run_of_epochs_is_that_of_its_steps(compiled: Compiled, tmp_path: Path, schedule: str) -> None:
    sets: dict[str, object] = {"train.lr_schedule": schedule}
    train(compiled(sets | {"train.steps": "2 epochs"}), settings(tmp_path / "epochs"))
    train(compiled(sets | {"train.steps": STEPS}), settings(tmp_path / "steps"))
    epochs, steps = (RunFolder(tmp_path / name) for name in ("epochs", "steps"))
    assert same(load_checkpoint(epochs.checkpoint).model, load_checkpoint(steps.checkpoint).model)
    assert epochs.read_summary()["steps"] == steps.read_summary()["steps"] == STEPS
    assert epochs.recorded_length() == RunLength(STEPS, 30)
    assert steps.recorded_length() is None
    assert "length" not in json.loads(steps.identity.read_text())
    assert "= 2 epochs\n" in epochs.spec.read_text()


def test_more_epochs_of_the_same_images_go_on(compiled: Compiled, tmp_path: Path) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    train(compiled({"train.steps": "1 epochs"}), settings(run))
    assert RunFolder(run).recorded_length() == RunLength(8, 30)
    train(compiled({"train.steps": "2 epochs"}), settings(run, resume=True))
    train(compiled({"train.steps": STEPS}), settings(whole))
    assert same(*(load_checkpoint(RunFolder(path).checkpoint).model for path in (run, whole)))
    with pytest.raises(RunMismatch, match=r"has taken 15 steps, and train\.steps is 1 epochs, which are 8 steps"):
        train(compiled({"train.steps": "1 epochs"}), settings(run, resume=True))


@pytest.mark.parametrize("accepted", [False, True])
def test_a_resume_with_another_number_of_images_is_refused(
    compiled: Compiled, images: Path, tmp_path: Path, accepted: bool
) -> None:
    train(compiled({"train.steps": "1 epochs"}), settings(tmp_path / "run"))
    with_images(images, 41)
    again = settings(tmp_path / "run", resume=True, accept_images=accepted)
    with pytest.raises(RunMismatch) as caught:
        train(compiled({"train.steps": "2 epochs"}), again)
    assert "began with 30 training images, and there are 41 now: 2 epochs" in str(caught.value)
    assert caught.value.help is not None
    command = f"hvaedsl train {tmp_path}/run/spec.hvae --out {tmp_path}/run --resume --device cpu"
    assert f"or resume with: {command} --set train.steps=8" in caught.value.help
    if accepted:
        train(compiled({"train.steps": 9}), again)
        assert load_checkpoint(RunFolder(tmp_path / "run").checkpoint).step == 9
