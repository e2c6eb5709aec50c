"""Starting a run: in this process, or in several through torch's own launcher."""

from __future__ import annotations

import logging
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from hvaedsl.diagnostics.errors import CompilerBug, DeviceNotFound, HvaedslError, ProcessFailed, Stopped
from hvaedsl.program import Program
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.whole_files import refusals_explained
from hvaedsl_runtime.distributed import DeviceName, choose_device, started_by_launcher
from hvaedsl_runtime.launch.failure import Failure
from hvaedsl_runtime.launch.task import RunTask
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings


def launch(program: Program, settings: RunSettings, processes: int) -> None:
    """Train in `processes` processes, one for each GPU (or so many on the CPU, where `device` is cpu).

    A process that torchrun started joins its run, whatever `processes` says.
    Raises what `hvaedsl_runtime.train.loop.train` raises: of several processes' errors, the one that came first.
    """
    program.training()
    if processes == 1 or started_by_launcher():
        train(program, settings)
        return
    check_devices(settings.device, processes)
    start_workers(RunTask.of(program, settings, processes))


def check_devices(device: DeviceName | None, processes: int) -> None:
    """Raise RunError (6) unless there is a GPU for each process, or processes on the CPU are asked for."""
    if choose_device(device).type == "cuda":
        choose_device("cuda", processes - 1)
    elif device is None and processes > 1:
        raise DeviceNotFound(
            f"{processes} GPUs asked for, none found",
            help="--device cpu runs so many processes on the CPU",
        )


def start_workers(task: RunTask) -> None:
    """Run a task in its processes on this machine and wait for them. Raises as `launch` does."""
    with task_file(task) as path, launcher_silent():
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=task.processes,
            run_id=str(uuid.uuid4()),
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=str(path.parent)),  # else it leaves a folder behind
        )
        try:
            elastic_launch(config, sys.executable)("-m", "hvaedsl_runtime.launch.worker", str(path))
        except ChildFailedError as error:
            raise first_error(error.failures) from None
        except SignalException as error:
            run_folder = RunFolder(task.settings.out)
            saved = run_folder.checkpoint.exists()
            way_out = f"{'go on' if saved else 'begin anew'} with: {task.settings.resume_command(task.processes)}"
            raise Stopped(
                f"stopped by {error.sigval.name}" + ("" if saved else "; there is no checkpoint yet"),
                help=way_out if run_folder.spec.exists() else "",
                signal=error.sigval,
            ) from None


@contextmanager
def task_file(task: RunTask) -> Iterator[Path]:
    """The file that the processes read their task from, in a folder that ends with them. Raises WriteError."""
    with ExitStack() as stack:
        with refusals_explained("a temporary folder", "name one with the environment variable TMPDIR"):
            path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "task.json"
            path.write_text(task.model_dump_json(), encoding="utf-8")
        yield path


def first_error(failures: dict[int, ProcessFailure]) -> HvaedslError:
    """The cause among the failures of several processes, by rank.

    When one process fails, the others fail because it is gone: an error that was raised for the user takes precedence
    over others, then the earlier over the later.
    """
    reported = [
        Failure.model_validate(failure.error_file_data)
        for failure in failures.values()
        if "kind" in failure.error_file_data
    ]
    if reported:
        cause = min(reported, key=lambda failure: (failure.is_bug, failure.raised_at))
        return CompilerBug(f"a training process failed\n{cause.help}") if cause.is_bug else cause.error()

    # No process could say why: the launcher knows how the first of them ended.
    rank, failure = min(failures.items(), key=lambda item: item[1].timestamp)
    if failure.exitcode > 0:
        return ProcessFailed(
            f"training process {rank} ended with exit code {failure.exitcode} and gave no reason",
            help="see its output above; --resume continues from the last checkpoint",
            status=failure.exitcode,
        )
    return ProcessFailed(
        f"training process {rank} ended with exit code {failure.exitcode}: {failure.message}",
        help="it was killed from outside, or ran out of main memory; --resume continues from the last checkpoint",
        status=failure.exitcode,
    )


@contextmanager
def launcher_silent() -> Iterator[None]:
    """Keep the launcher's log from the terminal: what went wrong is told once, by the error that is raised."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
