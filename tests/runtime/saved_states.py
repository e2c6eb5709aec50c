"""The newest checkpoint of a run as one dict, and a changed one in its place."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hvaedsl_runtime.disk.checkpoint import load_checkpoint, save_checkpoint
from hvaedsl_runtime.disk.run_folder import RunFolder


def saved(run: Path) -> dict[str, Any]:
    """The spec and the parts of the state."""
    checkpoint = load_checkpoint(RunFolder(run).checkpoint)
    return {"spec": checkpoint.spec, **checkpoint.state}


def replace_saved(run: Path, content: Mapping[str, Any]) -> None:
    """Write a whole checkpoint with another content under the name of the newest one."""
    state = {name: value for name, value in content.items() if name != "spec"}
    path = RunFolder(run).checkpoint
    save_checkpoint(path, content["spec"], state)


def remove_saved(run: Path) -> None:
    """Remove every checkpoint."""
    folder = RunFolder(run).checkpoints
    shutil.rmtree(folder)
    folder.mkdir()
