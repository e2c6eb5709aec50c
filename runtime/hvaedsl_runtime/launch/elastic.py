"""Several processes of one run on this machine, started and watched by torch's elastic launcher."""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from hvaedsl.diagnostics.errors import CompilerBug, HvaedslError, ProcessFailed, Stopped
from hvaedsl.diagnostics.refusals import refusals_explained
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.strict_json import model_text
from hvaedsl_runtime.launch.failure import Failure
from hvaedsl_runtime.launch.task import RunTask, running_module
from hvaedsl_runtime.train.interruption import SIGNALS, not_ignored


def start_workers(task: RunTask) -> None:
    """Run a task in `task.settings.gpus` processes and wait for them.

    Raises the first error of the processes, ProcessFailed if none of them could report one, Stopped after a signal, or
    WriteError if there is no temporary folder.
    """
    with task_file(task) as path, launcher_silent():
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=task.settings.gpus,
            run_id=str(uuid.uuid4()),
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            # After one of these, torch's launcher sends it to the processes and waits 30 seconds for them.
            signals_to_handle=",".join(number.name for number in not_ignored(SIGNALS)),
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=str(path.parent)),  # the default is a folder that is never removed
        )

        try:
            elastic_launch(config, sys.executable)(*running_module("hvaedsl_runtime.launch.worker"), str(path))
        except ChildFailedError as error:
            raise first_error(error.failures) from None
        except SignalException as error:
            raise _stopped(task, error) from None


@contextmanager
def task_file(task: RunTask) -> Iterator[Path]:
    """The file from which the processes read their task, in a temporary folder. Raises WriteError."""
    with ExitStack() as stack:
        with refusals_explained("a temporary folder", "set the environment variable TMPDIR to a writable folder"):
            path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "task.json"
            path.write_text(model_text(task), encoding="utf-8")
        yield path


def first_error(failures: dict[int, ProcessFailure]) -> HvaedslError:
    """Return the cause among the failures of several processes, by rank.

    If one process fails, the others fail because they lose their connection to it: an error that was raised for the
    user takes precedence over others, then the earlier over the later.
    """
    reported = [
        Failure.model_validate(failure.error_file_data)
        for failure in failures.values()
        if "kind" in failure.error_file_data
    ]
    # The launcher itself ends the rest by SIGTERM. A process that another signal ended was killed from outside.
    killed = {rank: item for rank, item in failures.items() if item.exitcode < 0 and item.exitcode != -signal.SIGTERM}
    if reported and not (killed and all(failure.is_bug for failure in reported)):
        cause = min(reported, key=lambda failure: (failure.is_bug, failure.raised_at))
        return CompilerBug(f"a training process failed\n{cause.traceback}") if cause.is_bug else cause.error()

    # No process could report the cause: the launcher knows how the first of them ended.
    rank, failure = min((killed or failures).items(), key=lambda item: item[1].timestamp)
    ended = f"training process {rank} ended with exit code {failure.exitcode}"
    if failure.exitcode > 0:
        return ProcessFailed(
            f"{ended} and reported no error",
            help="see its output above; --resume continues from the last checkpoint",
            status=failure.exitcode,
        )
    return ProcessFailed(
        f"{ended}: {failure.message}",
        help="it was killed from outside, or ran out of main memory; --resume continues from the last checkpoint",
        status=failure.exitcode,
    )


def _stopped(task: RunTask, error: SignalException) -> Stopped:
    """The error for a run that a signal ended, with the command that resumes or restarts it."""
    folder = RunFolder(task.settings.out)
    saved = folder.checkpoint.exists()
    command = f"{'resume' if saved else 'restart'} with: {task.settings.resume_command()}"
    return Stopped(
        f"stopped by {error.sigval.name}" + ("" if saved else "; there is no checkpoint yet"),
        help=command if folder.spec.exists() else "",
        signal=error.sigval,
    )


@contextmanager
def launcher_silent() -> Iterator[None]:
    """Disable logging while the launcher runs: the error that is raised says once what went wrong."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
