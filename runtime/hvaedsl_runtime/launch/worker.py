"""A training process, started by torch's launcher as `python -m hvaedsl_runtime.launch.worker TASK.json LAUNCHER`."""

from __future__ import annotations

import json
import os
import signal
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
from hvaedsl_runtime.train.interruption import harmless_signals
from hvaedsl_runtime.train.loop import train


def main(path: Path, launcher: int) -> int:
    """Run a task and return the exit code. A failure is written for the launcher, which reports it.

    `launcher` is the number of its process, without which this one does not go on.
    """
    start_heartbeat(int(os.environ["RANK"]), path.parent)
    stop_with_parent(launcher)
    with harmless_signals():
        return _run(path)


def _run(path: Path) -> int:
    task = model_of(RunTask, path.read_text(encoding="utf-8"))
    if task.settings.threads is None:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // int(os.environ["LOCAL_WORLD_SIZE"])))

    try:
        train(task.program(), task.settings)
    except Exception as error:
        failure = Failure.of(error)
        report(failure)
        return failure.exit_code
    except KeyboardInterrupt:
        failure = Failure.of(Stopped("stopped by SIGINT before the training began", signal=signal.SIGINT))
        report(failure)
        return failure.exit_code
    return 0


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
