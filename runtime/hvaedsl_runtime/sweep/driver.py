"""Carrying a sweep out: run after run, each in a process of its own, stopped and taken up again."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import IO

from pydantic import BaseModel, ConfigDict

import hvaedsl
from hvaedsl.diagnostics.errors import ExitCode, ProcessFailed, Stopped, UsageError
from hvaedsl.program import Program
from hvaedsl_runtime.console import LastingConsole
from hvaedsl_runtime.disk.run_folder import check_same_run
from hvaedsl_runtime.distributed import DeviceName, started_by_launcher
from hvaedsl_runtime.launch.failure import Failure
from hvaedsl_runtime.launch.local import check_devices
from hvaedsl_runtime.launch.task import RunTask
from hvaedsl_runtime.sweep.child import ChildTask
from hvaedsl_runtime.sweep.folder import SweepFolder
from hvaedsl_runtime.sweep.plan import Point, SweepPlan
from hvaedsl_runtime.train.interruption import SIGNALS
from hvaedsl_runtime.train.settings import RunSettings

# Images not found, a package missing: what ends every run alike, so that the first one ends the sweep.
SHARED_FAILURES = (ExitCode.USAGE, ExitCode.DATA)
STDERR = 2


class SweepSettings(BaseModel):
    """How the runs are carried out; `resume_command` is what the user types to go on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: DeviceName | None = None
    threads: int | None = None
    processes: int = 1
    download: bool = False
    retry_failed: bool = False
    resume_command: str


@dataclass
class Sweep:
    """A plan at work in a folder. `out` is where runs print: stdout, or stderr where stdout is for JSON."""

    plan: SweepPlan
    folder: SweepFolder
    settings: SweepSettings
    out: IO[str] = field(default_factory=lambda: sys.stdout)

    def __post_init__(self) -> None:
        """Open the console."""
        self.console = LastingConsole(file=self.out, highlight=False, soft_wrap=True)

    def __call__(self, lock: int | None) -> None:
        """Train every run that is not finished; one that fails is written down, and the next one begins.

        `lock` is the descriptor of the folder's lock, which a run inherits. Raises RunError: 4 where the images are not
        found, 5 where a run folder is of another spec, 6 without the device, 130 or 143 after a signal, when the run
        at work has saved its checkpoint; WriteError where the system refused a run to write.
        """
        if started_by_launcher():
            raise UsageError("a sweep starts its processes itself: run it without torchrun, with --gpus N")
        check_devices(self.settings.device, self.settings.processes)
        runs = self.plan.runs()
        done = [self.is_finished(point, seed) for point, seed in runs]
        if any(done):
            self.say(f"{sum(done)} of {len(runs)} runs are finished already")
        with handing_on() as relay:
            for index, (point, seed) in enumerate(runs):
                if not done[index] and not self._stays_failed(point, seed):
                    self.say(f"run {index + 1} of {len(runs)}: {point.name}, seed {seed}")
                    self.train(point, seed, relay, lock)

    def say(self, line: str) -> None:
        """Print a line."""
        self.console.print(line, markup=False)

    def is_finished(self, point: Point, seed: int) -> bool:
        """Whether a run's summary is there, of this spec and all steps. Raises RunError (5) where it is another's."""
        run = self.folder.run(point, seed)
        if not run.spec.exists() or not run.summary.exists():
            return False
        program = self.program(point, seed)
        check_same_run(run, hvaedsl.load(run.spec).spec, program.spec)
        return run.read_summary().get("steps") == program.training().steps

    def program(self, point: Point, seed: int) -> Program:
        """The program of a run."""
        return point.program(self.plan.model, seed, self.plan.part_folders)

    def train(self, point: Point, seed: int, relay: Relay, lock: int | None) -> None:
        """Carry out one run, from its last checkpoint where there is one. Raises RunError as the call does."""
        run = self.folder.run(point, seed)
        self.folder.forget_failure(point, seed)
        run_task = RunTask(
            name=self.plan.model,
            spec=self.program(point, seed).resolved_text(),
            settings=RunSettings(
                out=run.path,
                resume=run.spec.exists(),
                device=self.settings.device,
                download=self.settings.download,
                threads=self.settings.threads,
            ),
            processes=self.settings.processes,
            folders=self.plan.part_folders,
        )
        task = ChildTask(run=run_task, failure=self.folder.failure_path(point, seed))
        code = run_child(task, relay, lock, stdout=None if self.out is sys.stdout else STDERR)
        received = relay.received
        if received is None and code in (ExitCode.SIGNAL + number for number in SIGNALS):
            received = signal.Signals(code - ExitCode.SIGNAL)
        if received is not None:
            raise Stopped(
                f"the sweep was stopped by {received.name} at {point.name}, seed {seed}",
                help=f"go on with: {self.settings.resume_command}",
                signal=received,
            )
        if code == 0:
            return
        failure = self.folder.failure(point, seed)
        if failure is None:
            failure = killed(code)
            self.folder.record_failure(point, seed, failure)
        if failure.is_refusal or failure.exit_code in SHARED_FAILURES:
            self.folder.forget_failure(point, seed)
            raise failure.error()
        self.say(f"failed: {failure.message}" + (f"\n  help: {failure.help}" if failure.help else ""))

    def _stays_failed(self, point: Point, seed: int) -> bool:
        if self.settings.retry_failed:
            return False
        failure = self.folder.failure(point, seed)
        if failure is not None:
            self.say(f"{point.name}, seed {seed} failed before and is left out: {failure.message}")
        return failure is not None


@dataclass
class Relay:
    """Hands signals on to a child."""

    child: subprocess.Popen[bytes] | None = None
    received: signal.Signals | None = None

    def attach(self, child: subprocess.Popen[bytes]) -> None:
        """Hand signals on to this child, one that has come already too."""
        self.child = child
        if self.received is not None:
            child.send_signal(self.received)

    def handle(self, number: int, _: FrameType | None) -> None:
        """Note a signal, and hand it on."""
        self.received = signal.Signals(number)
        if self.child is not None:
            self.child.send_signal(number)


@contextmanager
def handing_on() -> Iterator[Relay]:
    """While entered, SIGINT and SIGTERM go to the child."""
    relay = Relay()
    previous = {number: signal.signal(number, relay.handle) for number in SIGNALS}
    try:
        yield relay
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def run_child(task: ChildTask, relay: Relay, lock: int | None, stdout: int | None) -> int:
    """Run a task to its end: the exit code, 128 + N after signal N."""
    child = subprocess.Popen(
        [sys.executable, "-m", "hvaedsl_runtime.sweep.child"],
        stdin=subprocess.PIPE,
        stdout=stdout,
        pass_fds=() if lock is None else (lock,),
        # Of a Ctrl-C the terminal tells the whole group: the child would get it twice, and not save.
        process_group=0,
    )
    assert child.stdin is not None
    try:
        relay.attach(child)
        with suppress(BrokenPipeError):  # a dead child's exit code says more
            child.stdin.write(task.model_dump_json().encode() + b"\n")
            child.stdin.flush()
        child.wait()
    finally:
        with suppress(BrokenPipeError):
            child.stdin.close()  # where something else led here, this makes it save and stop
        code = child.wait()
        relay.child = None
    return code if code >= 0 else 128 - code


def killed(code: int) -> Failure:
    """The failure of a process that could not give a reason."""
    message = f"the process ended with exit code {code}"
    if code <= ExitCode.SIGNAL:
        return Failure.of(ProcessFailed(f"{message} and gave no reason", status=code, help="see its output above"))

    with suppress(ValueError):  # not the number of a signal
        message = f"the process was ended by {signal.Signals(code - ExitCode.SIGNAL).name}"
    help_ = "it was killed from outside, or ran out of main memory; --retry-failed continues from its last checkpoint"
    return Failure.of(ProcessFailed(message, status=code, help=help_))
