from __future__ import annotations

from pathlib import Path

from hvaedsl_runtime.train.settings import RunSettings


def test_the_command_to_resume_repeats_the_options() -> None:
    plain = RunSettings(out=Path("runs/my model"), resume=True)
    command = "hvaedsl train 'runs/my model/spec.hvae' --out 'runs/my model' --resume"
    assert plain.resume_command(1) == command
    every = plain.model_copy(update={"device": "cpu", "threads": 3, "wandb": "offline"})
    assert every.resume_command(2) == f"{command} --gpus 2 --device cpu --threads 3 --wandb offline"
