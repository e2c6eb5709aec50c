"""The command that resumes or restarts a run which ended outside of its training."""

from __future__ import annotations

import signal

from hvaedsl.diagnostics.errors import Stopped
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.launch.restarts import checkpoints
from hvaedsl_runtime.train.settings import RunSettings


def way_on(settings: RunSettings) -> tuple[bool, str]:
    """Whether there is a checkpoint, and the command that resumes or restarts the run."""
    saved = bool(checkpoints(RunFolder(settings.out)))
    return saved, f"{'resume' if saved else 'restart'} with: {settings.resume_command()}"


def stopped_by(settings: RunSettings, received: signal.Signals) -> Stopped:
    """The error for a run that a signal ended, with the command that resumes or restarts it."""
    saved, command = way_on(settings)
    return Stopped(
        f"stopped by {received.name}" + ("" if saved else "; there is no checkpoint yet"),
        help=command if RunFolder(settings.out).spec.exists() else "",
        signal=received,
    )
