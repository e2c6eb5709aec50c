"""The driver of a sweep: one run after another, each in a separate process, with failures, stops and resumption."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import TextIO

import hvaedsl
from hvaedsl.diagnostics.errors import ExitCode, ProcessFailed, Stopped, UsageError
from hvaedsl.ir.run_options import SweepOptions
from hvaedsl.ir.training import Epochs
from hvaedsl.program import Program
from hvaedsl.report.terminal import console_of
from hvaedsl_runtime.console import LastingConsole
from hvaedsl_runtime.disk.spec_changes import check_same_run
from hvaedsl_runtime.disk.strict_json import model_text
from hvaedsl_runtime.launch.failure import Failure
from hvaedsl_runtime.launch.local import check_devices
from hvaedsl_runtime.launch.task import RunTask, running_module
from hvaedsl_runtime.rendezvous import started_by_launcher
from hvaedsl_runtime.sweep.child import ChildTask
from hvaedsl_runtime.sweep.folder import SweepFolder
from hvaedsl_runtime.sweep.plan import Point, SweepPlan
from hvaedsl_runtime.train.interruption import HARMLESS, SIGNALS, not_ignored
from hvaedsl_runtime.train.settings import RunSettings

# Missing images, a missing package: every run would fail like the first, so the sweep ends.
SHARED_FAILURES = (ExitCode.USAGE, ExitCode.DATA)
STDERR = 2


class SweepSettings(SweepOptions):
    """The settings of the runs; `resume_command` is the command that resumes the sweep."""

    resume_command: str


@dataclass
class Sweep:
    """The execution of a plan in a folder. Runs print to `out`: stdout, or stderr if stdout is for JSON."""

    plan: SweepPlan
    folder: SweepFolder
    settings: SweepSettings
    out: TextIO = field(default_factory=lambda: sys.stdout)

    def __post_init__(self) -> None:
        """Open the console."""
        self.console = console_of(LastingConsole, self.out, soft_wrap=True)

    def __call__(self, lock: int | None) -> None:
        """Train every run that is not finished. If one fails, the failure is recorded and the next run starts.

        `lock` is the descriptor of the lock of the folder, which the processes of the runs inherit. Raises RunMismatch
        if a run folder has another spec; DeviceNotFound; Stopped after a signal, once the current run has saved its
        checkpoint; WriteError; DamagedRun; and UsageError, DataNotFound or InvalidData, which every run would raise.
        """
        if started_by_launcher():
            raise UsageError("a sweep cannot run under torchrun; use hvaedsl sweep --gpus N")
        check_devices(self.settings.device, self.settings.gpus)

        runs = self.plan.runs()
        done = [self.is_finished(point, seed) for point, seed in runs]
        if any(done):
            self.say(f"{sum(done)} of {len(runs)} runs are already finished")

        with forwarding_signals() as relay:
            for index, (point, seed) in enumerate(runs):
                if not done[index] and not self._is_skipped(point, seed):
                    self.say(f"run {index + 1} of {len(runs)}: {point.name}, seed {seed}")
                    self.train(point, seed, relay, lock)

    def say(self, line: str) -> None:
        """Print a line."""
        self.console.print(line)

    def is_finished(self, point: Point, seed: int) -> bool:
        """Whether a run has a summary of this spec, and has taken all steps or stopped early.

        Raises RunMismatch for another spec, DamagedRun.
        """
        run = self.folder.run(point, seed)
        if not run.spec.exists() or not run.summary.exists():
            return False

        program = self.program(point, seed)
        check_same_run(run, hvaedsl.load(run.spec).spec, program.spec)
        summary, steps = run.read_summary(), program.training().steps
        if isinstance(steps, Epochs):
            length = run.recorded_length()
            steps = length.steps if length is not None else -1
        return bool(summary.get("stopped")) or summary.get("steps") == steps

    def program(self, point: Point, seed: int) -> Program:
        """The program of a run, compiled with its seed."""
        return point.program(self.plan.model, seed, self.plan.part_folders)

    def train(self, point: Point, seed: int, relay: SignalRelay, lock: int | None) -> None:
        """Train one run, or resume it from its last checkpoint. Raises as the sweep does."""
        run = self.folder.run(point, seed)
        self.folder.forget_failure(point, seed)
        run_task = RunTask(
            name=self.plan.model,
            spec=self.program(point, seed).resolved_text(),
            settings=RunSettings(out=run.path, resume=run.spec.exists(), **self.settings.shared()),
            folders=self.plan.part_folders,
        )
        task = ChildTask(run=run_task, failure=self.folder.failure_path(point, seed))
        code = run_child(task, relay, lock, stdout=None if self.out is sys.stdout else STDERR)

        # A signal to the sweep, or to the process of the run, stops the sweep.
        received = relay.received
        if received is None and code in (ExitCode.SIGNAL + number for number in SIGNALS):
            received = signal.Signals(code - ExitCode.SIGNAL)
        if received is not None:
            raise Stopped(
                f"the sweep was stopped by {received.name} at {point.name}, seed {seed}",
                help=f"resume with: {self.settings.resume_command}",
                signal=received,
            )

        if code == 0:
            return
        failure = self.folder.failure(point, seed)
        if failure is None:
            failure = unexplained_failure(code)
            self.folder.record_failure(point, seed, failure)

        # A failure that every run would have is not one of this run.
        if failure.is_refusal or failure.exit_code in SHARED_FAILURES:
            self.folder.forget_failure(point, seed)
            error = failure.error()
            way_on = f"resume the sweep with: {self.settings.resume_command}"
            raise error.reworded(str(error), help=f"{error.help}; {way_on}" if error.help else way_on)
        self.say(f"failed: {failure.error().report}")

    def _is_skipped(self, point: Point, seed: int) -> bool:
        """Whether the run failed before and is not retried."""
        if self.settings.retry_failed:
            return False
        failure = self.folder.failure(point, seed)
        if failure is not None:
            self.say(f"skipped {point.name}, seed {seed}, which failed before: {failure.error().headline}")
        return failure is not None


@dataclass
class SignalRelay:
    """Forwards signals to the process of a run."""

    child: subprocess.Popen[bytes] | None = None
    received: signal.Signals | None = None

    def attach(self, child: subprocess.Popen[bytes]) -> None:
        """Forward signals to this process, including one that was received before."""
        self.child = child
        if self.received is not None:
            child.send_signal(self.received)

    def pass_on(self, number: int, _: FrameType | None) -> None:
        """Forward a signal that does not stop the run."""
        if self.child is not None:
            self.child.send_signal(number)

    def handle(self, number: int, _: FrameType | None) -> None:
        """Record a signal and forward it."""
        self.received = signal.Signals(number)
        if self.child is not None:
            self.child.send_signal(number)


@contextmanager
def forwarding_signals() -> Iterator[SignalRelay]:
    """Forward signals to the process of the run inside the block: those that stop it, make it save or print stacks."""
    relay = SignalRelay()
    previous = {number: signal.signal(number, relay.handle) for number in not_ignored(SIGNALS)}
    previous |= {number: signal.signal(number, relay.pass_on) for number in not_ignored(HARMLESS)}
    try:
        yield relay
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def run_child(task: ChildTask, relay: SignalRelay, lock: int | None, stdout: int | None) -> int:
    """Run a task in a process and wait for it; return the exit code, or 128 + N after signal N."""
    child = subprocess.Popen(
        [sys.executable, *running_module("hvaedsl_runtime.sweep.child")],
        stdin=subprocess.PIPE,
        stdout=stdout,
        pass_fds=() if lock is None else (lock,),
        # A terminal sends Ctrl-C to the whole group: the process would get it twice, and end without saving.
        process_group=0,
    )

    assert child.stdin is not None
    try:
        relay.attach(child)
        with suppress(BrokenPipeError):  # the exit code of the dead process says more
            child.stdin.write(model_text(task).encode() + b"\n")
            child.stdin.flush()
        child.wait()
    finally:
        with suppress(BrokenPipeError):
            child.stdin.close()  # after an exception, this makes the process save and stop
        code = child.wait()
        relay.child = None
    return code if code >= 0 else 128 - code


def unexplained_failure(code: int) -> Failure:
    """The failure of a process that reported no error, from its exit code."""
    message = f"the process ended with exit code {code}"
    if code <= ExitCode.SIGNAL:
        return Failure.of(ProcessFailed(f"{message} and reported no error", status=code, help="see its output above"))

    with suppress(ValueError):  # the number is not that of a signal
        message = f"the process was killed by {signal.Signals(code - ExitCode.SIGNAL).name}"
    help_ = "another program killed it, or it ran out of memory; --retry-failed resumes from its last checkpoint"
    return Failure.of(ProcessFailed(message, status=code, help=help_))
