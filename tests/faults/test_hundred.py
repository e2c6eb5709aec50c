"""A hundred random faults on one run: it ends with the weights and the curve of a run to which nothing happened.

HVAEDSL_SOAK_FAULTS is the number of faults; HVAEDSL_SOAK_SEED draws others.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hvaedsl_runtime.disk.checkpoint_names import steps_in
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.train.interruption import SIGNALS
from tests.faults.conftest import Training, assert_same, damaged

Start = Callable[..., Training]
resource = pytest.importorskip("resource")
pytestmark = [pytest.mark.long, pytest.mark.soak]

FAULTS = int(os.environ.get("HVAEDSL_SOAK_FAULTS", "100"))
SEED = int(os.environ.get("HVAEDSL_SOAK_SEED", "0"))
# The run takes up to 25 steps from one fault to the next, and some more until it happens; it must not end before.
STEPS = 45 * FAULTS + 100
CANNOT_WRITE = 5
WITHIN = 60.0 + 0.5 * STEPS  # seconds for a whole run


@dataclass
class Trial:
    """A run to which faults happen. `run` is its command of now; None while it is down."""

    training: Start
    processes: int
    draw: random.Random
    folder: RunFolder
    run: Training | None = None
    commands: int = 0
    happened: list[str] = field(default_factory=list)

    def command(self) -> Training:
        """Begin the run, or resume it, with an output of its own."""
        options = ["--resume"] * bool(self.commands)
        if self.processes > 1:  # a restart follows however many workers are killed, and a hang ends soon
            options += ["--max-restarts", "1000", "--hang-timeout", "0.5"]
        self.commands += 1
        self.run = self.training(
            self.processes, *options, sets=(f"train.steps={STEPS}",), name=self.folder.path.parent.name
        )
        return self.run

    def in_training(self) -> Training:
        """The command of now, or another one, some steps after it has begun or gone on."""
        run = self.run or self.command()
        before = self.logged_bytes()
        run.wait("a line of the log", lambda: self.logged_bytes() > before)
        run.wait_for_step(run.steps() + self.draw.randint(0, 25))
        run.wait("all processes", lambda: self.processes == 1 or len(run.workers()) == self.processes)
        return run

    def logged_bytes(self) -> int:
        """The size of the log."""
        return self.folder.metrics.stat().st_size if self.folder.metrics.exists() else 0

    def anyone(self, run: Training) -> int:
        """The launcher or one of the workers; with one process, that one."""
        return self.draw.choice([run.process.pid, *run.workers()])

    def ended(self, run: Training, code: int, text: str = "") -> None:
        """The command ends with an exit code, says why and nothing worse, and leaves no process."""
        found = run.end()
        assert found == code, f"exit code {found}: {run.output}"
        assert text in run.output, run.output
        assert "Traceback" not in run.output, run.output
        run.assert_none_left()
        run.log.rename(run.log.with_name(f"output-{self.commands}.txt"))
        self.run = None

    def bring_down(self) -> None:
        """Stop the command of now, if there is one."""
        if self.run is not None:
            stop(self)


def kill(trial: Trial) -> str:
    run = trial.in_training()
    pid, before = trial.anyone(run), run.output.count("restarting from")
    os.kill(pid, signal.SIGKILL)
    if pid == run.process.pid:
        trial.ended(run, -signal.SIGKILL)
        return "SIGKILL to the launcher"
    run.wait("a restart", lambda: run.output.count("restarting from") > before)
    return "SIGKILL to a worker"


def kill_early(trial: Trial) -> str:
    trial.bring_down()
    run = trial.command()
    until = time.monotonic() + trial.draw.uniform(0.0, 8.0)
    while time.monotonic() < until:
        run.workers()
        time.sleep(0.05)
    run.process.kill()
    trial.ended(run, -signal.SIGKILL)
    return "SIGKILL to the launcher at its start"


def stop(trial: Trial) -> str:
    run, number = trial.in_training(), trial.draw.choice(SIGNALS)
    os.kill(trial.anyone(run), number)
    trial.ended(run, 128 + number, f"stopped by {number.name}")
    return number.name


def save(trial: Trial) -> str:
    run = trial.in_training()
    before = run.output.count("as a signal asked for")
    os.kill(trial.anyone(run), signal.SIGUSR2)
    run.wait("a checkpoint", lambda: run.output.count("as a signal asked for") > before)
    return "SIGUSR2"


def suspend(trial: Trial) -> str:
    run = trial.in_training()
    everyone = [run.process.pid, *run.workers()]
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(trial.draw.uniform(0.1, 3.0))
    for pid in everyone:
        os.kill(pid, signal.SIGCONT)
    return "SIGSTOP and SIGCONT of all"


def hang(trial: Trial) -> str:
    run = trial.in_training()
    before = run.output.count("restarting from")
    os.kill(trial.draw.choice(run.workers()), signal.SIGSTOP)
    run.wait("a restart", lambda: run.output.count("restarting from") > before)
    return "SIGSTOP of a worker"


def fill_the_disk(trial: Trial) -> str:
    """The system refuses the process that writes all files from some size on, most often in the middle of a save."""
    run = trial.in_training()
    until = time.monotonic() + 5.0
    while not list(trial.folder.checkpoints.glob(".*partial*")) and time.monotonic() < until:
        time.sleep(0.0005)
    writer = run.process.pid if trial.processes == 1 else run.workers()[0]
    room = run.log.stat().st_size + 4000  # what it prints is a file too
    resource.prlimit(writer, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    trial.ended(run, CANNOT_WRITE, "cannot be written: File too large")
    return "a full disk"


def damage(trial: Trial) -> str:
    """A file of the newest checkpoint is damaged while the run is down; the run is resumed from the one before."""
    trial.bring_down()
    newest = trial.folder.checkpoint
    if len(steps_in(trial.folder.checkpoints)) < 2:
        return ""
    path = trial.draw.choice(sorted(newest.iterdir()))
    path.write_bytes(damaged(path.read_bytes(), trial.draw))
    run = trial.command()
    run.wait("a checkpoint before", lambda: "using the checkpoint before it" in " ".join(run.output.split()))
    assert path.name in run.output
    return f"damage in {path.name}"


KINDS: dict[Callable[[Trial], str], float] = {
    kill: 4, kill_early: 1, stop: 4, save: 2, suspend: 1, hang: 0.5, fill_the_disk: 2, damage: 3
}  # fmt: skip


def curve(folder: RunFolder) -> list[dict[str, Any]]:
    """The lines of the log that count, without times."""
    return [{**line, "wall_seconds": 0} for line in read_metrics(folder.metrics)]


@pytest.mark.parametrize("processes", [2, 1])
def test_a_run_with_a_hundred_faults_is_the_undisturbed_one(training: Start, tmp_path: Path, processes: int) -> None:
    whole = training(processes, sets=(f"train.steps={STEPS}",), name="undisturbed")
    assert whole.end(WITHIN) == 0, whole.output

    draw = random.Random(f"{SEED}, {processes}")
    trial = Trial(training, processes, draw, RunFolder(tmp_path / "disturbed" / "run"))
    kinds = {kind: weight for kind, weight in KINDS.items() if processes > 1 or kind is not hang}
    while len(trial.happened) < FAULTS:
        (kind,) = draw.choices(list(kinds), list(kinds.values()))
        print(f"fault {len(trial.happened) + 1} of {FAULTS}: {kind.__name__}", flush=True)  # shown if it fails
        if what := kind(trial):
            trial.happened.append(what)

    run = trial.run or trial.command()
    assert run.end(WITHIN) == 0, run.output
    run.assert_none_left()
    assert_same(run, whole.state())
    assert curve(trial.folder) == curve(RunFolder(whole.out))
    print(dict(Counter(trial.happened)), trial.commands, "commands")
