"""Memory formats of a run: weights in the flat buffers, checkpoints, and what `auto` is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import hvaedsl
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.model import placed_model

SPEC = """hvae 1
data { dataset = digits }
model {
  width = 8  latent = 2  likelihood = mixture_of_logistics(2)
  encoder = 8x1, 8d2, 4x1  decoder = 4x1, 8m4, 8x2
}
train { steps = 4  batch_size = 8  learning_rate = 1e-3  eval_every = 4  save_every = 2  keep_every = 2 }
"""
Command = Callable[..., tuple[object, str, str]]
FORMATS = ("contiguous", "channels_last")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "a.hvae"
    path.write_text(SPEC)
    return path


def losses(out: Path) -> list[float]:
    return [line["loss_nats_per_dim"] for line in read_metrics(out / "metrics.jsonl") if "loss_nats_per_dim" in line]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_has_the_same_results_in_each_format(tmp_path: Path, command: Command, spec: Path, dtype: str) -> None:
    found, states = {}, {}
    for name in FORMATS:
        out = tmp_path / name
        arguments = ["--set", f"train.memory_format={name}", "--out", out, "--device", "cpu", "--dtype", dtype]
        code, _, err = command("train", spec, *arguments)
        assert code == 0, err
        found[name], states[name] = losses(out), load_checkpoint(RunFolder(out).checkpoint).state
    exact = 1e-12 if dtype == "float64" else 1e-5
    assert found["channels_last"] == pytest.approx(found["contiguous"], rel=exact)
    for part in ("model", "ema"):
        for name, value in states["contiguous"][part].items():
            torch.testing.assert_close(states["channels_last"][part][name], value, rtol=1e3 * exact, atol=1e-5)


@pytest.mark.parametrize("first", FORMATS)
def test_a_checkpoint_of_one_format_is_taken_over_by_the_other(
    tmp_path: Path, command: Command, spec: Path, first: str
) -> None:
    then = next(name for name in FORMATS if name != first)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    options = ["--device", "cpu", "--dtype", "float64"]
    code, _, err = command("train", spec, "--set", f"train.memory_format={first}", "--out", whole, *options)
    assert code == 0, err
    short = ["--set", "train.steps=2", "--set", f"train.memory_format={first}"]
    code, _, err = command("train", spec, *short, "--out", resumed, *options)
    assert code == 0, err
    longer = ["--set", f"train.memory_format={then}", "--resume", "--allow-changed"]
    code, _, err = command("train", spec, *longer, "--out", resumed, *options)
    assert code == 0, err
    assert losses(resumed)[-2:] == pytest.approx(losses(whole)[-2:], rel=1e-12)


def test_auto_is_channels_last_in_float32_on_a_cpu() -> None:
    program, cpu = hvaedsl.loads(SPEC), torch.device("cpu")

    def weights(program: hvaedsl.Program, dtype: torch.dtype) -> torch.Tensor:
        return placed_model(program, cpu, dtype).get_parameter("decoder.blocks.r8_0.prior.c2.weight")

    assert not weights(program, torch.float32).is_contiguous()
    assert weights(program, torch.float64).is_contiguous()
    off = hvaedsl.loads(SPEC, sets={"train.memory_format": "contiguous"})
    assert weights(off, torch.float32).is_contiguous()
    on = hvaedsl.loads(SPEC, sets={"train.memory_format": "channels_last"})
    assert not weights(on, torch.float64).is_contiguous()
