"""A run is resumed under a changed spec: refused with the differences, or allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hvaedsl import Program
from hvaedsl.diagnostics.errors import RunMismatch
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.saved_checkpoints import newest_good
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings

Compiled = Callable[..., Program]


def settings(out: Path, *, resume: bool = True, allow: bool = False) -> RunSettings:
    return RunSettings(out=out, resume=resume, allow_changed=allow, device="cpu", threads=1)


def state(folder: Path) -> dict[str, Any]:
    found = newest_good(RunFolder(folder).checkpoints, print)
    assert found is not None
    return found.state


@pytest.fixture
def run(tmp_path: Path, compiled: Compiled) -> Path:
    train(compiled({"train.steps": 4}), settings(tmp_path / "run", resume=False))
    return tmp_path / "run"


def test_a_changed_spec_is_refused_with_what_has_changed(compiled: Compiled, run: Path) -> None:
    with pytest.raises(RunMismatch) as caught:
        train(compiled({"train.weight_decay": 0.5, "model.decoder": "4r2, 8m4, 8x2"}), settings(run))
    message = str(caught.value)
    assert "train.weight_decay: 0.01 in the run, 0.5 now" in message
    assert "model.decoder: 4r2, 8m4, 8x1 in the run, 4r2, 8m4, 8x2 now" in message
    assert "; parameters: " in message
    assert "; stochastic depth: 4 in the run, 5 now" in message
    assert "--allow-changed" in caught.value.help
    command = f"hvaedsl train {run}/spec.hvae --out {run} --resume --device cpu --threads 1"
    assert caught.value.help.endswith(f"resume with: {command}")
    with pytest.raises(RunMismatch) as caught:
        train(compiled({"train.steps": 4}), settings(run).model_copy(update={"dtype": "float64"}))
    assert caught.value.help.endswith(f"resume with: {command}")


def test_an_allowed_change_is_said_and_has_its_effect(
    compiled: Compiled, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = {"train.weight_decay": 0.5, "train.betas": "0.8, 0.95", "train.learning_rate": 5e-4}
    train(compiled(changed), settings(run, allow=True))
    said = capsys.readouterr().out
    assert "the spec has changed: train.learning_rate: 0.001 in the run, 0.0005 now" in said
    (group,) = state(run)["optimizer"]["param_groups"]
    assert (group["weight_decay"], group["betas"], group["lr"]) == (0.5, (0.8, 0.95), 5e-4)
    assert state(run)["position"]["step"] == 12

    # From here on, it is the spec of the run.
    train(compiled({**changed, "train.steps": 13}), settings(run))
    with pytest.raises(RunMismatch, match=r"train\.weight_decay: 0\.5 in the run, 0\.01 now"):
        train(compiled({"train.steps": 14}), settings(run))


def test_a_state_that_does_not_fit_is_refused_with_the_other_way(compiled: Compiled, run: Path) -> None:
    with pytest.raises(RunMismatch, match="the checkpoint does not fit the changed spec") as caught:
        train(compiled({"model.decoder": "4r2, 8m4, 8x2"}), settings(run, allow=True))
    assert f"--init-from {run}" in caught.value.help
    train(compiled({"train.steps": 6}), settings(run))  # nothing was lost


def test_the_spec_in_the_checkpoint_is_compared(
    compiled: Compiled, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = RunFolder(run).spec
    spec.write_text(spec.read_text().replace("weight_decay    = 0.01", "weight_decay    = 0.5"))
    with pytest.raises(RunMismatch, match=r"train\.weight_decay: 0\.01 in the run, 0\.5 now"):
        train(compiled({"train.weight_decay": 0.5}), settings(run))
    train(compiled({"train.steps": 6}), settings(run))
    assert "the run continues with what the checkpoint has" in capsys.readouterr().out
    assert "= 0.01" in spec.read_text()
