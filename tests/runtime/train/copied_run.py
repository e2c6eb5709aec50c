"""A copy of a run folder from the middle of the run, as a kill leaves it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hvaedsl_runtime.train import loop
from hvaedsl_runtime.train.run import TrainingRun


@contextmanager
def copied_after(step: int, folder: Path, copy: Path) -> Iterator[None]:
    """Copy the folder of a run that is trained inside the block, after a step and with its checkpoints complete."""
    take_step = loop.take_step

    def copied_later(run: TrainingRun) -> None:
        take_step(run)
        if run.state.step == step:
            run.finish_writing()
            shutil.copytree(folder, copy)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "take_step", copied_later)
        yield
