"""The names of a run's checkpoints on the disk: a folder for each step, found without reading them."""

from __future__ import annotations

import re
from pathlib import Path

# Checkpoints of formats up to 3: of the last step, and the weights with the lowest bound under `train.stop_after`.
FORMER_LAST, FORMER_BEST = "last.pt", "best.pt"
BEST, MANIFEST, STATE = "best.json", "manifest.json", "state.json"

_NAME = re.compile(r"step-(\d{8,})")
# A folder that is being removed or replaced; it may lack files.
REMOVED, REPLACED = ".removed", ".replaced"


def name_of(step: int) -> str:
    """The name of the folder with the checkpoint after `step` steps."""
    return f"step-{step:08d}"


def step_of(path: Path) -> int | None:
    """The step of a checkpoint's folder; None for any other path."""
    found = _NAME.fullmatch(path.name)
    return None if found is None or path.name != name_of(int(found[1])) else int(found[1])


def steps_in(folder: Path) -> list[int]:
    """The steps of the checkpoints in a folder, ascending. A checkpoint gets its name once it is complete."""
    if not folder.is_dir():
        return []
    found = [step_of(path) for path in folder.iterdir() if path.is_dir()]
    return sorted(step for step in found if step is not None)


def damaged_name(path: Path) -> Path:
    """A free name for a damaged checkpoint, beside it."""
    number, name = 1, path.with_name(f"{path.name}.damaged")
    while name.exists():
        number += 1
        name = path.with_name(f"{path.name}.damaged-{number}")
    return name
