"""Processes that are killed, stopped or signaled: what is promised of the exit code, the message and the weights."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Training, assert_same
from tests.soak import soak

Start = Callable[..., Training]
Undisturbed = Callable[[int], dict[str, Any]]
pytestmark = pytest.mark.long


@pytest.mark.parametrize("place", [(1, 23), *(soak((rank, step)) for rank in (0, 1) for step in (3, 17, 38, 51))])
def test_a_killed_worker_is_named_and_the_run_restarts(
    training: Start, undisturbed: Undisturbed, place: tuple[int, int]
) -> None:
    rank, step = place
    run = training(2)
    run.wait_for_step(step)
    os.kill(run.workers()[rank], signal.SIGKILL)
    assert run.end() == 0, run.output
    assert f"training process {rank} was killed by SIGKILL (out of main memory?)" in run.output
    assert "restarting from the newest checkpoint" in run.output or step < 10
    assert "(restart 1 of 3 without a newer one)" in run.output
    assert "bug" not in run.output
    assert "Traceback" not in run.output
    assert_same(run, undisturbed(2))
    run.assert_none_left()


@pytest.mark.soak
@pytest.mark.parametrize("rank", [0, 1])
def test_a_worker_killed_while_checkpoints_are_written_all_the_time(
    training: Start, undisturbed: Undisturbed, rank: int
) -> None:
    run = training(2, sets=("train.save_every=1",))
    run.wait_for_step(30)
    os.kill(run.workers()[rank], signal.SIGKILL)
    assert run.end() == 0, run.output
    assert f"training process {rank} was killed by SIGKILL" in run.output
    assert_same(run, undisturbed(2))
    run.assert_none_left()


@pytest.mark.soak
def test_without_restarts_the_command_to_resume_is_printed(training: Start, undisturbed: Undisturbed) -> None:
    run = training(2, "--max-restarts", "0")
    run.wait_for_step(15)
    os.kill(run.workers()[1], signal.SIGKILL)
    assert run.end() == 128 + signal.SIGKILL
    assert "error: training process 1 was killed by SIGKILL (out of main memory?)" in run.output
    assert f"resume with: hvaedsl train {run.out}/spec.hvae --out {run.out} --resume" in run.output.replace("\n", "")
    run.assert_none_left()
    resumed = training(2, "--resume")
    assert resumed.end() == 0, resumed.output
    assert_same(resumed, undisturbed(2))


@pytest.mark.soak
@pytest.mark.parametrize("when", ["at the start", "in training", "while saving"])
def test_no_worker_outlives_its_launcher(training: Start, undisturbed: Undisturbed, when: str) -> None:
    run = training(2, sets=("train.save_every=1",) if when == "while saving" else ())
    run.wait("two workers", lambda: len(run.workers()) == 2)
    if when != "at the start":
        run.wait_for_step(25)
    run.process.kill()
    assert run.end() == -signal.SIGKILL
    run.assert_none_left()
    if when != "at the start":
        assert run.state()["position"]["step"] >= 10
    resumed = training(2, "--resume", sets=("train.save_every=1",) if when == "while saving" else ())
    assert resumed.end() == 0, resumed.output
    assert_same(resumed, undisturbed(2))


@pytest.mark.soak
@pytest.mark.parametrize("whom", ["launcher", "worker 0", "worker 1"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGXCPU])
def test_a_signal_to_any_process_saves_and_stops(
    training: Start, undisturbed: Undisturbed, number: signal.Signals, whom: str
) -> None:
    run = training(2)
    run.wait_for_step(15)
    os.kill(run.process.pid if whom == "launcher" else run.workers()[int(whom[-1])], number)
    assert run.end() == 128 + number, run.output
    assert f"error: stopped by {number.name}" in run.output
    assert run.output.count("error: ") == 1
    assert run.state()["position"]["step"] >= 15
    assert "resume with: hvaedsl train" in run.output
    run.assert_none_left()
    if number == signal.SIGUSR1:
        resumed = training(2, "--resume")
        assert resumed.end() == 0, resumed.output
        assert_same(resumed, undisturbed(2))


@pytest.mark.soak
@pytest.mark.parametrize("whom", ["launcher", "worker 0", "worker 1"])
def test_two_signals_do_not_stop_a_run(training: Start, undisturbed: Undisturbed, whom: str) -> None:
    run = training(2, sets=("train.save_every=1000", "train.steps=300"))
    run.wait_for_step(5)
    pid = run.process.pid if whom == "launcher" else run.workers()[int(whom[-1])]
    os.kill(pid, signal.SIGUSR2)
    run.wait("a checkpoint", lambda: "as a signal asked for" in run.output)
    assert 5 <= run.state()["position"]["step"] < 300
    os.kill(pid, signal.SIGQUIT)
    named = [0, 1] if whom == "launcher" else [int(whom[-1])]
    assert run.end() == 0, run.output
    for rank in (0, 1):
        assert (f"training process {rank} (pid " in run.output) == (rank in named), run.output
    assert "the stacks of its threads:" in run.output
    assert "take_step" in run.output
    run.assert_none_left()


@pytest.mark.soak
@pytest.mark.parametrize("rank", [0, 1])
def test_a_stopped_worker_is_named_with_its_state_and_the_run_restarts(
    training: Start, undisturbed: Undisturbed, rank: int
) -> None:
    run = training(2, "--hang-timeout", "0.5")
    run.wait_for_step(25)
    os.kill(run.workers()[rank], signal.SIGSTOP)
    assert run.end() == 0, run.output
    assert f"training process {rank} made no progress for 30 seconds: " in run.output
    assert "it does not answer:\n  State: T (stopped)" in run.output
    other = run.output.index(f"training process {1 - rank} (pid ")
    assert "; the stacks of its threads:\n" in run.output[other:]
    assert_same(run, undisturbed(2))
    run.assert_none_left()


@pytest.mark.soak
def test_processes_that_are_all_stopped_and_continued_do_not_hang(training: Start, undisturbed: Undisturbed) -> None:
    run = training(2, "--hang-timeout", "0.5")
    run.wait_for_step(25)
    everyone = (run.process.pid, *run.workers())
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(35.0)  # longer than the limit
    for pid in everyone:
        os.kill(pid, signal.SIGCONT)
    assert run.end() == 0, run.output
    assert "no progress" not in run.output
    assert "restarting" not in run.output
    assert_same(run, undisturbed(2))


# Delays the first process of a run between its preparation and its first step.
DELAY = """
import os, sys, time

class Delay:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "hvaedsl_runtime.train.loop":
            sys.meta_path.remove(Delay)
            from hvaedsl_runtime.train.run import TrainingRun
            enter = TrainingRun.__enter__

            def entered(run):
                print("delayed", flush=True)
                time.sleep(8.0)
                return enter(run)

            TrainingRun.__enter__ = entered
        return None

if os.environ.get("RANK", "0") == os.environ["DELAYED_RANK"]:
    sys.meta_path.insert(0, Delay)
"""


@pytest.mark.soak
@pytest.mark.parametrize(
    ("processes", "number"), [(2, signal.SIGTERM), (2, signal.SIGINT), (2, signal.SIGXCPU), (1, signal.SIGTERM)]
)
def test_a_signal_just_before_the_training_stops_the_run(
    training: Start, undisturbed: Undisturbed, tmp_path: Path, processes: int, number: signal.Signals
) -> None:
    (tmp_path / "sitecustomize.py").write_text(DELAY)
    path = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))
    alone = processes == 1
    run = training(processes, PYTHONPATH=path, DELAYED_RANK=str(processes - 1))
    run.wait("the delay", lambda: "delayed" in run.output)
    os.kill(run.process.pid if alone else run.workers()[1], number)
    assert run.end() == 128 + number, run.output
    assert f"error: stopped by {number.name}; there is no checkpoint yet" in run.output
    assert "restart with: hvaedsl train" in run.output
    assert "restarting" not in run.output
    assert run.output.count("error: ") == 1
    run.assert_none_left()
    resumed = training(processes, "--resume")
    assert resumed.end() == 0, resumed.output
    assert_same(resumed, undisturbed(processes))


JUMP = """
import time
real, start = time.time, time.monotonic()
time.time = lambda: real() + ({jump} if time.monotonic() > start + 8.0 else 0.0)
"""


@pytest.mark.soak
@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_a_clock_that_jumps_changes_nothing(
    training: Start, undisturbed: Undisturbed, tmp_path: Path, jump: int
) -> None:
    (tmp_path / "sitecustomize.py").write_text(JUMP.format(jump=jump))
    path = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))
    run = training(2, "--hang-timeout", "0.5", PYTHONPATH=path)
    assert run.end() == 0, run.output
    assert "no progress" not in run.output
    assert "restarting" not in run.output
    assert_same(run, undisturbed(2))


@pytest.mark.soak
def test_torchrun_restarts_a_run_that_resumes_by_itself(training: Start, undisturbed: Undisturbed) -> None:
    run = training(2, torchrun=("--max-restarts", "2"))
    run.wait_for_step(25)
    os.kill(run.workers()[1], signal.SIGKILL)
    assert run.end() == 0, run.output
    assert_same(run, undisturbed(2))
    run.assert_none_left()


@pytest.mark.soak
def test_no_worker_outlives_the_agent_of_torchrun(training: Start, undisturbed: Undisturbed) -> None:
    run = training(2, torchrun=("--max-restarts", "2"))
    run.wait_for_step(25)
    run.process.kill()
    assert run.end() == -signal.SIGKILL
    run.assert_none_left()
    assert run.state()["position"]["step"] >= 10
    resumed = training(2, "--resume")
    assert resumed.end() == 0, resumed.output
    assert_same(resumed, undisturbed(2))
