"""Runs that want the same folder, or one that cannot be written into."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hvaedsl_runtime.disk.folder_lock import LOCK
from hvaedsl_runtime.disk.lock_holder import Holder
from tests.faults.conftest import Training, assert_same

Start = Callable[..., Training]
Undisturbed = Callable[[int], dict[str, Any]]
pytestmark = [pytest.mark.long, pytest.mark.soak]
LONG = ("train.steps=100000",)


def test_a_second_run_is_refused_and_the_first_goes_on(training: Start) -> None:
    first = training(1, sets=LONG)
    first.wait_for_step(5)
    second = training(1, "--resume", sets=LONG)
    assert second.end() == 5
    output = " ".join(second.output.split())
    assert f"is in use by process {first.process.pid} on " in output
    assert "; last heartbeat " in output
    before = first.steps()
    first.wait_for_step(before + 1)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_stale_lock_is_taken_over_aloud(training: Start, undisturbed: Undisturbed, elsewhere: bool) -> None:
    run = training(1)
    run.wait_for_step(25)
    run.process.kill()
    run.end()
    lock = run.out / LOCK
    assert Holder.read(lock.read_bytes()) is not None
    if elsewhere:
        holder = Holder(host="node7", boot="another", pid=4711)
        lock.write_text(holder.model_dump_json())
        os.utime(lock, times=(time.time() - 1000.0,) * 2)
    resumed = training(1, "--resume")
    assert resumed.end() == 0, resumed.output
    assert "taking over the lock of process " + ("4711 on node7" if elsewhere else str(run.process.pid)) in " ".join(
        resumed.output.split()
    )
    assert_same(resumed, undisturbed(1))
    assert not lock.exists()


def test_a_run_that_was_stopped_and_lost_its_folder_writes_no_checkpoint(training: Start) -> None:
    run = training(1, sets=(*LONG, "train.save_every=1000"))
    run.wait_for_step(5)
    os.kill(run.process.pid, signal.SIGSTOP)
    lock = run.out / LOCK
    lock.write_text(Holder(host="node7", boot="another", pid=4711).model_dump_json())
    os.kill(run.process.pid, signal.SIGCONT)
    os.kill(run.process.pid, signal.SIGUSR2)
    assert run.end() == 5, run.output
    assert "process 4711 on node7 has taken it over" in " ".join(run.output.split())
    assert run.output.count("error: ") == 1
    assert not (run.out / "checkpoints" / "last.pt").exists()
    assert lock.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_is_named(training: Start, tmp_path: Path) -> None:
    (tmp_path / "small" / "run").mkdir(parents=True)
    (tmp_path / "small" / "run").chmod(0o555)
    run = training(1)
    assert run.end() == 5
    assert "make it writable" in run.output
