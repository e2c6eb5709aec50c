"""What ends a run that has begun: the last completed step is saved, and the message names it and the way on."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hvaedsl
from hvaedsl import CustomParts, Program
from hvaedsl.diagnostics.errors import InvalidData, OutOfMemory, RunError, UnusableImages
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.launch.local import launch
from hvaedsl_runtime.train import loop
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.run import TrainingRun
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.step import TrainingStep
from tests.soak import soak

Compiled = Callable[..., Program]
Curve = Callable[[Path], list[dict[str, Any]]]

SPEC = """hvae 1
data {{ dataset = {dataset} path = "{path}" channels = 1 resolution = 8 validation = 4 }}
model {{ width = 8 latent = 2 encoder = 8x1, 8d2, 4x1 decoder = 4r2, 8m4, 8x1 }}
train {{ steps = 12 batch_size = 2 learning_rate = 1e-3 eval_every = 100 save_every = 100 seed = 3 }}
"""
# The images of one process, or of the second one, cannot be read while the file `gone` names their split.
DATASET = """
import os
import numpy as np
from pathlib import Path

class Images:
    def __init__(self, split, path):
        self.split, self.path, self.reads = split, Path(path), 0
    def __len__(self):
        return 20
    def __getitem__(self, indices):
        self.reads += 1
        gone = self.path / "gone"
        if gone.exists() and os.environ.get("RANK", "1") == "1":
            split, after = gone.read_text().split()
            if split == self.split and self.reads > int(after):
                raise OSError(f"{split} images {indices.tolist()} are offline")
        return (np.arange(64).reshape(1, 8, 8, 1) * 3 + indices.reshape(-1, 1, 1, 1)).astype(np.uint8)
"""


def settings(out: Path, *, resume: bool = False, gpus: int = 1) -> RunSettings:
    return RunSettings(out=out, resume=resume, device="cpu", threads=1, gpus=gpus)


def saved_step(out: Path) -> int:
    return load_checkpoint(RunFolder(out).checkpoint).position.step


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], object]) -> None:
    """Act once `step` steps are taken."""
    take_step = loop.take_step

    def taken(run: TrainingRun) -> None:
        take_step(run)
        if run.state.step == step:
            act()

    monkeypatch.setattr(loop, "take_step", taken)


@pytest.fixture
def image_files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    for index, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{index:02}.png")
    return folder


@pytest.fixture
def of_files(tmp_path: Path, image_files: Path) -> Program:
    path = tmp_path / "files.hvae"
    path.write_text(SPEC.format(dataset="folder", path=image_files))
    return hvaedsl.load(path)


@pytest.fixture
def of_custom(tmp_path: Path) -> Program:
    (tmp_path / "offline_images.py").write_text(DATASET)
    path = tmp_path / "own.hvae"
    path.write_text(SPEC.format(dataset='"offline_images:Images"', path=tmp_path))
    sys.modules.pop("offline_images", None)
    return hvaedsl.load(path, custom=CustomParts((tmp_path,)))


def test_image_files_that_vanish_end_the_run_with_a_checkpoint_and_the_way_on(
    tmp_path: Path, of_files: Program, image_files: Path, curve: Curve, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(of_files, settings(tmp_path / "whole"))
    at_step(monkeypatch, 3, lambda: image_files.rename(tmp_path / "away"))
    with pytest.raises(UnusableImages) as caught:
        train(of_files, settings(tmp_path / "parts"))
    monkeypatch.undo()

    # The images of the next step may have been read ahead.
    step = saved_step(tmp_path / "parts")
    assert step in (3, 4)
    assert str(caught.value).startswith(f"stopped after step {step} of 12; the last checkpoint is of step {step}: ")
    assert f"{image_files}/" in str(caught.value)
    assert "it is not there any more" in str(caught.value)
    command = f"hvaedsl train {tmp_path}/parts/spec.hvae --out {tmp_path}/parts --resume --device cpu --threads 1"
    assert caught.value.help == (
        f"restore the files, and let no other program change the folder, then resume with: {command}"
    )
    assert caught.value.exit_code == 4

    (tmp_path / "away").rename(image_files)
    train(of_files, settings(tmp_path / "parts", resume=True))
    assert curve(tmp_path / "parts") == curve(tmp_path / "whole")


@pytest.mark.parametrize(("split", "steps"), [("train", (5, 6)), ("test", (12,))])
def test_a_custom_dataset_that_fails_does_too(
    tmp_path: Path,
    of_custom: Program,
    curve: Curve,
    monkeypatch: pytest.MonkeyPatch,
    split: str,
    steps: tuple[int, ...],
) -> None:
    train(of_custom, settings(tmp_path / "whole"))
    at_step(monkeypatch, 5, lambda: (tmp_path / "gone").write_text(f"{split} 0"))
    with pytest.raises(InvalidData, match=f"{split} images .* are offline") as caught:
        train(of_custom, settings(tmp_path / "parts"))
    monkeypatch.undo()
    step = saved_step(tmp_path / "parts")
    assert step in steps
    assert f"stopped after step {step} of 12; the last checkpoint is of step {step}: " in str(caught.value)
    assert "resume with: hvaedsl train " in caught.value.help

    (tmp_path / "gone").unlink()
    train(of_custom, settings(tmp_path / "parts", resume=True))
    assert curve(tmp_path / "parts") == curve(tmp_path / "whole")


@pytest.mark.long
@pytest.mark.parametrize("split", ["train", soak("test")])
def test_all_processes_end_if_one_of_them_cannot_read_an_image(
    tmp_path: Path, of_custom: Program, split: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").write_text("train 8" if split == "train" else "test 1")
    with pytest.raises(InvalidData, match=f"{split} images .* are offline") as caught:
        launch(of_custom, settings(tmp_path / "run", gpus=2))
    step = saved_step(tmp_path / "run")
    assert 0 < step < 12 if split == "train" else step == 12
    assert f"stopped after step {step} of 12; the last checkpoint is of step {step}: " in str(caught.value)
    assert "--resume --gpus 2" in caught.value.help
    assert "Traceback" not in capfd.readouterr().err


def test_memory_that_runs_out_after_some_steps_loses_none_of_them(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    at_step(monkeypatch, 5, exhausted)
    with pytest.raises(
        OutOfMemory, match="stopped after step 5 of 12; the last checkpoint is of step 5: out"
    ) as caught:
        train(compiled(), settings(tmp_path / "run"))
    assert caught.value.help.startswith("free memory there, then resume with: hvaedsl train ")
    assert "train into another folder" in caught.value.help
    assert saved_step(tmp_path / "run") == 5


def test_an_unexpected_error_loses_no_step(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    at_step(monkeypatch, 5, broken)
    with pytest.raises(ZeroDivisionError):
        train(compiled(), settings(tmp_path / "run"))
    assert saved_step(tmp_path / "run") == 5
    assert "stopped after step 5; the last checkpoint is of step 5; resume with: hvaedsl" in capsys.readouterr().out


def test_a_state_between_two_steps_is_not_saved(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = TrainingStep._update

    def half(self: TrainingStep, *arguments: Any) -> None:
        update(self, *arguments)
        if self.state.step == 5:
            raise ZeroDivisionError

    monkeypatch.setattr(TrainingStep, "_update", half)
    with pytest.raises(ZeroDivisionError):
        train(compiled(), settings(tmp_path / "run"))
    assert saved_step(tmp_path / "run") == 4


def test_weights_that_are_not_finite_are_not_saved(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(run: TrainingRun) -> None:
        take_step(run)
        if run.state.step == 5:
            with torch.no_grad():
                next(iter(run.state.model.parameters())).fill_(math.nan)
            raise RunError("gone")

    take_step = loop.take_step
    monkeypatch.setattr(loop, "take_step", broken)
    with pytest.raises(RunError, match="the last checkpoint is of step 4: gone"):
        train(compiled(), settings(tmp_path / "run"))
    assert saved_step(tmp_path / "run") == 4
