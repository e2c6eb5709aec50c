"""Runs that want the same folder, or one that cannot be written into."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
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


def mounted(place: Path, options: str) -> bool:
    """Mount a small disk in memory at a place, or mount it again with other options; whether that is allowed."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    return shutil.which("mount") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A run folder that is a disk of its own, of 4 MB."""
    place = tmp_path / "small" / "run"
    if not mounted(place, "size=4m"):
        pytest.skip("this user may not mount a disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_disk_of_four_megabytes_ends_a_run_that_goes_on_once_there_is_room(
    training: Start, undisturbed: Undisturbed, disk: Path, processes: int
) -> None:
    run = training(processes)
    assert run.end() == 5, run.output
    output = " ".join(run.output.split())
    assert f"error: {disk}/checkpoints: a checkpoint cannot be written: No space left on device: it needs" in output
    assert "free some space there, then restart with: hvaedsl train" in output
    assert run.output.count("error: ") == 1
    assert "Traceback" not in run.output
    run.assert_none_left()
    assert mounted(disk, "remount,size=64m")
    resumed = training(processes, "--resume")
    assert resumed.end() == 0, resumed.output
    assert_same(resumed, undisturbed(processes))


@pytest.mark.parametrize("left", [0, 1_000, 1_000_000])
def test_a_disk_that_fills_up_does_too(training: Start, undisturbed: Undisturbed, disk: Path, left: int) -> None:
    assert mounted(disk, "remount,size=64m")
    run = training(2)
    run.wait_for_step(15)
    with (disk / "filler").open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, shutil.disk_usage(disk).free - left)
    assert run.end() == 5, run.output
    assert "cannot be written: No space left on device" in run.output
    assert "the last checkpoint is of step 1" in " ".join(run.output.split())
    assert "Traceback" not in run.output
    (disk / "filler").unlink()
    resumed = training(2, "--resume")
    assert resumed.end() == 0, resumed.output
    assert_same(resumed, undisturbed(2))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_folder_that_is_read_only_is_named(training: Start, disk: Path, processes: int) -> None:
    assert mounted(disk, "remount,ro")
    run = training(processes)
    assert run.end() == 5
    assert f"{disk}: cannot be written: Read-only file system" in " ".join(run.output.split())
    assert "make it writable" in run.output
    assert run.output.count("error: ") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_so_is_one_without_permission(training: Start, tmp_path: Path) -> None:
    (tmp_path / "small" / "run").mkdir(parents=True)
    (tmp_path / "small" / "run").chmod(0o555)
    run = training(1)
    assert run.end() == 5
    assert "make it writable" in run.output
