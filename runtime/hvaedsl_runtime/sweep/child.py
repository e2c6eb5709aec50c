"""One run of a sweep, in a process of its own: `python -m hvaedsl_runtime.sweep.child`, its task on stdin.

A run that crashes, or takes more memory than there is, then takes nothing else with it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from pathlib import Path

from pydantic import BaseModel, ConfigDict

import hvaedsl
from hvaedsl.diagnostics.errors import RunError, SpecError, UsageError
from hvaedsl.program import CustomParts
from hvaedsl_runtime.disk.whole_files import WriteError, made_folder, write_whole
from hvaedsl_runtime.launch.local import launch
from hvaedsl_runtime.sweep.folder import Failure
from hvaedsl_runtime.train.settings import RunSettings

STDIN = 0
UNEXPECTED = 3


class RunTask(BaseModel):
    """What the process is told; `failure` is where it writes why it failed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    spec: str
    settings: RunSettings
    processes: int
    part_folders: tuple[Path, ...] = ()
    failure: Path


def main() -> int:
    """Carry out the task on stdin; the exit code. Why it failed is written into a file, a stop by signal is not."""
    task = RunTask.model_validate_json(read_line(STDIN))
    threading.Thread(target=stop_without_parent, daemon=True).start()
    try:
        program = hvaedsl.loads(task.spec, path=f"{task.name}.hvae", custom=CustomParts(task.part_folders))
        launch(program, task.settings, task.processes)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except WriteError as error:
        failure = Failure(message=str(error), help=error.remedy, exit_code=error.exit_code, refused=True)
    except RunError as error:
        failure = Failure(message=str(error), help=error.help, exit_code=error.exit_code)
    except UsageError as error:
        failure = Failure(message=str(error), help="", exit_code=2)
    except SpecError as error:
        failure = Failure(message=str(error), help="", exit_code=1)
    except Exception as error:
        traceback.print_exc()
        message = f"a bug in hvaedsl, not in your spec: {type(error).__name__}: {error}"
        failure = Failure(message=message, help="please report it, with what is printed above", exit_code=UNEXPECTED)
    else:
        return 0
    if failure.exit_code not in (128 + signal.SIGINT, 128 + signal.SIGTERM):
        try:
            write_whole(made_folder(task.failure.parent) / task.failure.name, failure.model_dump_json(indent=2) + "\n")
        except WriteError:
            print(f"error: {failure.message}", file=sys.stderr, flush=True)
    return failure.exit_code


def read_line(descriptor: int) -> bytes:
    """The first line. Unbuffered: what follows is the watch's."""
    line = bytearray()
    while (byte := os.read(descriptor, 1)) not in (b"", b"\n"):
        line += byte
    return bytes(line)


def stop_without_parent() -> None:
    """Wait for the end of stdin, which is that of the sweep's process, and then stop as on SIGTERM."""
    while os.read(STDIN, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
