"""A run folder that the version with format 1 left after 5 of 9 steps: every command still takes it.

`format_1/resumed.jsonl` has the metrics with which that version itself continued the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import hvaedsl
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.noise import NOISE_VERSION
from tests.runtime.disk.earlier_formats import assert_as_resumed, copied, resume
from tests.runtime.first_noise import use_first_noise
from tests.runtime.saved_states import saved

Command = Callable[..., tuple[object, str, str]]

LEFT = Path(__file__).parent / "format_1"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return copied(LEFT, tmp_path / "tiny", "last.pt")


def test_it_is_of_format_1(run: Path) -> None:
    content = torch.load(RunFolder(run).checkpoint, weights_only=True)
    assert (content["format"], content["step"], content["skipped_updates"]) == (1, 5, 2)
    loaded = load_checkpoint(RunFolder(run).checkpoint)
    assert (loaded.step, loaded["averaging"]) == (5, {"updates": 3})


def test_it_is_resumed_to_the_same_numbers(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its own noise, that of version 1; without it, the run says that its curve changes."""
    use_first_noise(monkeypatch)
    resume(run)
    assert "with other random numbers in training: its curve continues with new ones" in capsys.readouterr().out
    lines = read_metrics(run / "metrics.jsonl")
    assert [line["step"] for line in lines[:5]] == [1, 2, 3, 4, 5]
    assert len(lines[5:]) == 6
    assert_as_resumed(lines[5:], LEFT)
    assert not (run / "checkpoints" / "last.pt").exists()  # until then, it was the only one
    content = saved(run)
    assert content["position"] == {
        "seed": 5,
        "step": 9,
        "world_size": 1,
        "dtype": "float32",
        "micro_batch": hvaedsl.load(run / "spec.hvae").training().batch_size,
        "noise": NOISE_VERSION,
    }
    assert content["averaging"] == {"updates": 9 - content["counters"]["skipped_updates"]}


def test_every_command_reads_it(run: Path, tmp_path: Path, command: Command) -> None:
    folder = str(run)
    weights = str(tmp_path / "w.safetensors")
    for arguments in (
        ("eval", folder, "--device", "cpu"),
        ("sample", folder, "--device", "cpu", "--out", str(tmp_path / "s.png")),
        ("convert", folder, "--to", weights, "--names", "ours"),
        ("export", folder, "--to", "safetensors"),
        ("analyze", "kl", folder, "--device", "cpu"),
    ):
        code, _, err = command(*arguments)
        assert code in (0, None), (arguments, err)
    assert json.loads((run / "eval_test.json").read_text())["step"] == 5
