"""Several processes of one run on this machine, started and watched by torch's elastic launcher."""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from hvaedsl.diagnostics.errors import CompilerBug, Hung, HvaedslError, ProcessFailed, ProcessLost, Stopped
from hvaedsl.diagnostics.refusals import refusals_explained
from hvaedsl.diagnostics.streams import say
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.strict_json import model_text
from hvaedsl_runtime.heartbeat import print_stacks_on_signal, quit_on_signal
from hvaedsl_runtime.launch.failure import Failure
from hvaedsl_runtime.launch.group_watch import GroupWatch
from hvaedsl_runtime.launch.restarts import Restarts, checkpoints
from hvaedsl_runtime.launch.task import RunTask, running_module
from hvaedsl_runtime.launch.way_on import stopped_by, way_on
from hvaedsl_runtime.train.interruption import HARMLESS, SAVE_SIGNAL, SIGNALS, not_ignored

# A process that was killed within so long of another's failure was the cause; torch's launcher itself kills after 30.
AT_ONCE_SECONDS = 10.0


def start_workers(task: RunTask) -> None:
    """Run a task in `task.settings.gpus` processes and wait for them; restart them after some kinds of failure.

    Raises the first error of the processes, ProcessFailed if one was killed, Hung, Stopped after a signal, or
    WriteError if there is no temporary folder.
    """
    restarts = Restarts(task.settings.max_restarts, RunFolder(task.settings.out))
    while True:
        try:
            run_group(task)
            return
        except SignalException as error:  # it came just after the processes had ended
            raise stopped_by(task.settings, error.sigval) from None
        except HvaedslError as error:
            pause = restarts.pause_after(error)
            if pause is None:
                raise _with_way_on(task, error) from None
            wait_before_restart(task, error, restarts, pause)
        task = task.model_copy(update={"settings": task.settings.model_copy(update={"resume": True})})


def run_group(task: RunTask) -> None:
    """Run a task in its processes once. Raises as `start_workers`, which restarts them."""
    settings = task.settings
    with task_file(task) as path, launcher_silent():
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=settings.gpus,
            run_id=str(uuid.uuid4()),
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            # After one of these, torch's launcher sends it to the processes and waits 30 seconds for them.
            signals_to_handle=",".join(number.name for number in not_ignored(SIGNALS)),
            # Torch restarts after every failure alike, and its processes may then find the store closed.
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=str(path.parent)),  # the default is a folder that is never removed
        )
        command = (*running_module("hvaedsl_runtime.launch.worker"), str(path), str(os.getpid()))

        watch = GroupWatch(path.parent, settings.gpus, settings.hang_timeout)
        try:
            with watch, handlers_restored(), passing_on(watch):
                elastic_launch(config, sys.executable)(*command)
        except ChildFailedError as error:
            raise watch.hang or first_error(error.failures) from None
        except SignalException as error:
            raise stopped_by(task.settings, error.sigval) from None


def wait_before_restart(task: RunTask, error: HvaedslError, restarts: Restarts, pause: float) -> None:
    """Say why the processes are restarted and from where, and wait. Raises Stopped after a signal."""
    start = (
        "the newest checkpoint" if checkpoints(RunFolder(task.settings.out)) else "scratch, without a checkpoint yet"
    )
    say(f"{error.headline}", err=True)
    say(
        f"restarting from {start} in {pause:g} s (restart {restarts.count} of {restarts.most} without a newer one)",
        err=True,
    )
    received: list[signal.Signals] = []
    handled = not_ignored(SIGNALS) if threading.current_thread() is threading.main_thread() else []
    previous = {
        number: signal.signal(number, lambda found, _: received.append(signal.Signals(found))) for number in handled
    }
    try:
        until = time.monotonic() + pause
        while not received and time.monotonic() < until:
            time.sleep(min(0.1, pause))
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if received:
        raise stopped_by(task.settings, received[0])


@contextmanager
def handlers_restored() -> Iterator[None]:
    """Restore the handlers of signals that stop a run, which torch's launcher sets and leaves, after the block."""
    previous = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in previous.items():
                signal.signal(number, handler)


@contextmanager
def passing_on(watch: GroupWatch) -> Iterator[None]:
    """Pass SIGUSR2 on to the processes, which save, and print their stacks on SIGQUIT; neither ends the launcher."""
    previous: dict[signal.Signals, object] = {}
    if threading.current_thread() is threading.main_thread():

        def pass_on(number: int, _: object) -> None:
            if number == SAVE_SIGNAL:
                watch.send(number)
            else:
                watch.ask_for_stacks()

        previous |= {number: signal.signal(number, pass_on) for number in not_ignored(HARMLESS)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned
        if previous:  # Python does not know of the handler of SIGQUIT before
            quit_on_signal()
            print_stacks_on_signal()


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

    If one process fails, the others follow: they lose their connection to it, or the launcher ends them. So a process
    that only lost another is never the cause if there is another, and a signal that stops a run is not if a process was
    killed. An error that was raised for the user takes precedence over a death, and the earlier over the later.
    """
    reported = {
        rank: Failure.model_validate(failure.error_file_data)
        for rank, failure in failures.items()
        if "kind" in failure.error_file_data
    }
    raised = sorted(reported.values(), key=lambda failure: failure.raised_at)
    lost = [failure for failure in raised if failure.kind == ProcessLost.__name__]
    stops = [failure for failure in raised if failure.is_stop]
    bugs = [failure for failure in raised if failure.is_bug]
    causes = [failure for failure in raised if failure not in (*lost, *stops, *bugs)]
    if causes:
        return causes[0].error()

    # The launcher itself ends the rest by SIGTERM and, if that takes too long, by SIGKILL, long after the cause.
    silent = {rank: failure for rank, failure in failures.items() if rank not in reported}
    other = min((failure.raised_at for failure in (*bugs, *stops)), default=math.inf)
    killed = {
        rank: failure
        for rank, failure in silent.items()
        if -failure.exitcode not in (0, *SIGNALS) and failure.timestamp <= other + AT_ONCE_SECONDS
    }
    if killed:
        return _died(*min(killed.items(), key=lambda item: (item[1].exitcode > 0, item[1].timestamp)))
    if bugs or stops:
        cause = (*bugs, *stops)[0]
        return CompilerBug(f"a training process failed\n{cause.traceback}") if cause.is_bug else cause.error()

    # A signal came while the processes started. The launcher, too, sends SIGTERM, to those that another has lost.
    stopped = [failure for failure in silent.values() if -failure.exitcode in SIGNALS]
    from_outside = [failure for failure in stopped if -failure.exitcode != signal.SIGTERM]
    if found := from_outside or ([] if lost else stopped):
        received = signal.Signals(-min(found, key=lambda failure: failure.timestamp).exitcode)
        return Stopped(f"stopped by {received.name}", signal=received)
    if lost:
        return lost[0].error()
    return _died(*min(silent.items(), key=lambda item: item[1].timestamp))


def _died(rank: int, failure: ProcessFailure) -> ProcessFailed:
    """The error for a process that reported nothing: a signal killed it, or other code ended it."""
    if failure.exitcode >= 0:
        return ProcessFailed(
            f"training process {rank} ended with exit code {failure.exitcode} and reported no error",
            help="see its output above",
            status=failure.exitcode,
        )
    try:
        name = signal.Signals(-failure.exitcode).name
    except ValueError:  # a real-time signal
        name = f"signal {-failure.exitcode}"
    guess = " (out of main memory?)" if name == "SIGKILL" else ""
    return ProcessFailed(
        f"training process {rank} was killed by {name}{guess}",
        help="another program killed it, or the system did because main memory ran out" if guess else "",
        status=failure.exitcode,
    )


def _with_way_on(task: RunTask, error: HvaedslError) -> HvaedslError:
    """An error that ends a run from outside its training, with the command that resumes it."""
    if isinstance(error, Stopped) and not error.help:
        return stopped_by(task.settings, signal.Signals(error.signal))
    if not isinstance(error, ProcessFailed | Hung):
        return error
    _, command = way_on(task.settings)
    return error.reworded(str(error), help=f"{error.help}; {command}" if error.help else command)


@contextmanager
def launcher_silent() -> Iterator[None]:
    """Disable logging while the launcher runs: the error that is raised says once what went wrong."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
