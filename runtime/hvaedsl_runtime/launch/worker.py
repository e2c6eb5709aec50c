"""One process of a run of several: `python -m hvaedsl_runtime.launch.worker TASK.json`, started by torch's launcher."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict

import hvaedsl
from hvaedsl.diagnostics.errors import RunError, UsageError
from hvaedsl.program import CustomParts
from hvaedsl_runtime.disk.whole_files import WriteError, write_whole
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings

UNEXPECTED = 3


class WorkerTask(BaseModel):
    """What a process is told: the resolved spec as text with the model's name, and the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    spec: str
    settings: RunSettings
    folders: tuple[Path, ...] = ()  # of the modules of one's own parts


def main(path: Path) -> int:
    """Carry out a task; the exit code. An error goes to the launcher, which tells it."""
    task = WorkerTask.model_validate_json(path.read_text(encoding="utf-8"))
    if task.settings.threads is None:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // int(os.environ["LOCAL_WORLD_SIZE"])))
    try:
        train(hvaedsl.loads(task.spec, path=f"{task.name}.hvae", custom=CustomParts(task.folders)), task.settings)
    except RunError as error:
        report(str(error), error.help, error.exit_code, error.remedy if isinstance(error, WriteError) else None)
        return error.exit_code
    except UsageError as error:
        report(str(error), "", 2)
        return 2
    except Exception:
        report(traceback.format_exc(), "", None)
        return UNEXPECTED
    return 0


def report(message: str, help_: str, exit_code: int | None, remedy: str | None = None) -> None:
    """Leave an error where torch's launcher looks for it, in the form that it reads; `exit_code` None for a bug.

    `remedy` is that of a WriteError. Where there is no room for so little, the error is printed here.
    """
    now = time.time()
    content = {
        "message": message,
        "timestamp": str(int(now)),
        "raised_at": now,
        "help": help_,
        "exit_code": exit_code,
        "remedy": remedy,
    }
    try:
        write_whole(Path(os.environ["TORCHELASTIC_ERROR_FILE"]), json.dumps(content))
    except WriteError:
        print(f"error: {message}" + (f"\n  help: {help_}" if help_ else ""), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
