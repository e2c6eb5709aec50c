"""A small state, and a folder with checkpoints of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from hvaedsl_runtime.disk.checkpoint import save_checkpoint
from hvaedsl_runtime.disk.checkpoint_names import name_of
from hvaedsl_runtime.disk.state_parts import Position

FILES = ("manifest.json", "state.json", "model.safetensors", "optimizer.safetensors")


def state_at(step: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(step)
    weights = {"stem.weight": torch.randn(3, 5, generator=generator), "stem.bias": torch.randn(3, generator=generator)}
    return {
        "model": weights,
        "optimizer": {"state": {0: {"step": torch.tensor(float(step)), "exp_avg": torch.randn(3, 5)}}, "lr": (0.9, 1)},
        "position": Position(seed=3, step=step).state_dict(),
    }


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    """Checkpoints of the steps 4, 8 and 12."""
    for step in (4, 8, 12):
        save_checkpoint(tmp_path / name_of(step), "hvae 1", state_at(step))
    return tmp_path
