"""`--init-from RUN|FILE`: a new run starts from the weights of another one, and says which it has loaded."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hvaedsl import Program
from hvaedsl.diagnostics.errors import RunNotFound, WeightsMismatch
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.saved_checkpoints import newest_good
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.train.initial_weights import start_from
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.run import TrainingRun
from hvaedsl_runtime.train.settings import RunSettings

Compiled = Callable[..., Program]
# Another decoder: its last block is new, and the blocks before it are those of the run.
DEEPER = {"model.decoder": "4r2, 8m4, 8x2"}


def settings(out: Path, source: Path | None = None, *, resume: bool = False) -> RunSettings:
    return RunSettings(out=out, init_from=source, resume=resume, device="cpu", threads=1)


def ema(folder: Path) -> dict[str, torch.Tensor]:
    found = newest_good(RunFolder(folder).checkpoints, print)
    assert found is not None
    return found.ema


@pytest.fixture
def source(tmp_path: Path, compiled: Compiled) -> Path:
    train(compiled(), settings(tmp_path / "source"))
    return tmp_path / "source"


def test_a_run_starts_from_the_averaged_weights(
    tmp_path: Path, compiled: Compiled, source: Path, alone: Processes, capsys: pytest.CaptureFixture[str]
) -> None:
    with TrainingRun(compiled(), settings(tmp_path / "run", source), alone) as run:
        for model in run.state.models.values():
            assert all(torch.equal(value, ema(source)[name]) for name, value in model.state_dict().items())
        assert run.state.step == 0
        assert not run.state.optimizer.state_dict()["state"]
    count = len(ema(source))
    assert f"weights of {source}: {count} of {count} parameters loaded\n" in capsys.readouterr().out


def test_what_does_not_fit_starts_anew_and_is_named(
    tmp_path: Path, compiled: Compiled, source: Path, alone: Processes, capsys: pytest.CaptureFixture[str]
) -> None:
    with TrainingRun(compiled(DEEPER), settings(tmp_path / "fresh"), alone) as fresh:
        initial = {name: value.clone() for name, value in fresh.state.model.state_dict().items()}
    capsys.readouterr()
    with TrainingRun(compiled(DEEPER), settings(tmp_path / "run", source), alone) as run:
        found = run.state.model.state_dict()
    said = capsys.readouterr().out
    new = [name for name in found if name not in ema(source)]
    assert new
    assert all(name.startswith("decoder.blocks.r8_2.") for name in new)
    assert f"{len(new)} are not there, and keep their initial values: {new[0]}, " in said
    for name, value in found.items():
        expected = initial[name] if name in new else ema(source)[name]
        assert torch.equal(value, expected), name


def test_names_of_other_shapes_and_unused_ones_are_listed(tmp_path: Path, compiled: Compiled) -> None:
    model = compiled().module()
    tensors = {name: value + 1 for name, value in model.state_dict().items()}
    tensors["encoder.stem.weight"] = torch.zeros(1)
    tensors["head.of.something"] = torch.zeros(2)
    save_file({name: value.contiguous() for name, value in tensors.items()}, tmp_path / "weights.safetensors")
    before = model.state_dict()["encoder.stem.weight"].clone()
    taken = start_from(tmp_path / "weights.safetensors", [model])
    assert taken.other_shape == ("encoder.stem.weight",)
    assert taken.unused == ("head.of.something",)
    assert taken.missing == ()
    assert torch.equal(model.state_dict()["encoder.stem.weight"], before)
    assert "  1 have another shape there, and keep their initial values: encoder.stem.weight" in taken.lines
    assert "  1 are there, and not in this model: head.of.something" in taken.lines


def test_a_run_that_is_resumed_does_not_start_from_them_again(tmp_path: Path, compiled: Compiled, source: Path) -> None:
    train(compiled({"train.steps": 4}), settings(tmp_path / "run", source))
    train(compiled({"train.steps": 4, "train.eval_every": 2}), settings(tmp_path / "run", source, resume=True))
    train(compiled({"train.steps": 8}), settings(tmp_path / "run", source, resume=True))
    train(compiled({"train.steps": 8}), settings(tmp_path / "whole", source))
    for name, value in ema(tmp_path / "whole").items():
        assert torch.equal(ema(tmp_path / "run")[name], value), name


def test_weights_that_cannot_be_used_are_refused(tmp_path: Path, compiled: Compiled) -> None:
    model = compiled().module()
    with pytest.raises(RunNotFound):
        start_from(tmp_path / "nowhere", [model])
    save_file({"other": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsMismatch, match="none of its 1 tensors has the name and shape") as caught:
        start_from(tmp_path / "other.safetensors", [model])
    assert "hvaedsl convert" in caught.value.help
    tensors = {name: value * math.nan for name, value in model.state_dict().items()}
    save_file({name: value.contiguous() for name, value in tensors.items()}, tmp_path / "nan.safetensors")
    with pytest.raises(WeightsMismatch, match=r"nan\.safetensors"):
        start_from(tmp_path / "nan.safetensors", [model])
