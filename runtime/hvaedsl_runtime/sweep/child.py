"""The process of one run of a sweep: `python -m hvaedsl_runtime.sweep.child`, with a task on stdin.

A run that crashes, or exhausts the memory, does not end the sweep.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from hvaedsl.diagnostics.errors import ExitCode, WriteError
from hvaedsl.diagnostics.streams import say
from hvaedsl_runtime.disk.checked_json import write_checked_model
from hvaedsl_runtime.disk.strict_json import model_of
from hvaedsl_runtime.disk.whole_files import made_folder
from hvaedsl_runtime.launch.failure import Failure
from hvaedsl_runtime.launch.local import launch
from hvaedsl_runtime.launch.orphans import GRACE_SECONDS, end_after
from hvaedsl_runtime.launch.task import RunTask

STDIN = 0


class ChildTask(BaseModel):
    """A run of a sweep; if it fails, its process writes the reason to the file `failure`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: RunTask
    failure: Path


def main() -> int:
    """Run the task on stdin and return the exit code; if the run fails, write the reason to the file of the task."""
    task = model_of(ChildTask, read_line(STDIN))
    threading.Thread(target=stop_without_parent, daemon=True).start()
    try:
        launch(task.run.program(), task.run.settings)
        return ExitCode.SUCCESS
    except KeyboardInterrupt:
        return ExitCode.SIGNAL + signal.SIGINT
    except Exception as error:
        failure = Failure.of(error)
        if failure.is_bug:
            say(failure.traceback, err=True)

    # A run that was stopped has not failed: it will be resumed.
    if not failure.is_stop:
        try:
            write_checked_model(made_folder(task.failure.parent) / task.failure.name, failure)
        except WriteError:
            failure.say()
    return failure.exit_code


def read_line(descriptor: int) -> bytes:
    """Read the first line, unbuffered: `stop_without_parent` reads the rest."""
    line = bytearray()
    while (byte := os.read(descriptor, 1)) not in (b"", b"\n"):
        line += byte
    return bytes(line)


def stop_without_parent() -> None:
    """Wait until stdin is closed, which happens when the process of the sweep ends, and then stop as on SIGTERM.

    A process that does not stop in time ends without saving.
    """
    while os.read(STDIN, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    end_after(GRACE_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
