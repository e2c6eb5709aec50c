"""A training process, started by torch's launcher as `python -m hvaedsl_runtime.launch.worker TASK.json LAUNCHER`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch

from hvaedsl.diagnostics.errors import Stopped, WriteError
from hvaedsl_runtime.disk.strict_json import model_of
from hvaedsl_runtime.disk.whole_files import write_whole
from hvaedsl_runtime.heartbeat import start_heartbeat
from hvaedsl_runtime.launch.failure import Failure
from hvaedsl_runtime.launch.orphans import stop_with_parent
from hvaedsl_runtime.launch.task import RunTask
from hvaedsl_runtime.train.interruption import StopSignal, harmless_signals, ignore_stop_signals, stop_signals_raised
from hvaedsl_runtime.train.loop import train


def main(path: Path, launcher: int) -> int:
    """Run a task and return the exit code. A failure is written for the launcher, which reports it.

    `launcher` is the number of its process, without which this one does not go on.
    """
    start_heartbeat(int(os.environ["RANK"]), path.parent)
    stop_with_parent(launcher)
    with harmless_signals(), stop_signals_raised():
        return _run(path)


def _run(path: Path) -> int:
    try:
        task = model_of(RunTask, path.read_text(encoding="utf-8"))
        if task.settings.threads is None:
            torch.set_num_threads(max(1, (os.cpu_count() or 1) // int(os.environ["LOCAL_WORLD_SIZE"])))
        train(task.program(), task.settings)
        ignore_stop_signals()
        return 0
    except (Exception, StopSignal) as error:
        ignore_stop_signals()
        if isinstance(error, StopSignal):
            error = Stopped(f"stopped by {error}", signal=error.received)
        failure = Failure.of(error)
    report(failure)
    return failure.exit_code


def report(failure: Failure) -> None:
    """Write a failure to the error file of torch's launcher, or print it if the file cannot be written."""
    # The launcher reads `message` and `timestamp`; `first_error` reads the rest.
    content = {"timestamp": str(int(failure.raised_at)), **failure.model_dump(mode="json")}
    try:
        write_whole(Path(os.environ["TORCHELASTIC_ERROR_FILE"]), json.dumps(content))
    except WriteError:
        failure.say()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
