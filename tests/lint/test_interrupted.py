"""Signals and pipes while `lint` runs in several processes: none of them stays, and the output is whole or none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lint import write_variants

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="one process there")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts `hvaedsl lint` on many specs, as the leader of a group of processes, on at least two processes."""
    write_variants(tmp_path / "specs", 600)
    made: list[subprocess.Popen[bytes]] = []
    program = (
        "from hvaedsl.lint import processes; processes.useful_processes = lambda: 3\n"
        "from hvaedsl.cli.main import run; run()"
    )

    def start(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", program, "lint", "specs", "--no-cache", *arguments]
        made.append(
            subprocess.Popen(
                command, cwd=tmp_path, start_new_session=True, stdout=-1, stderr=-1, env=os.environ | {"COLUMNS": "100"}
            )
        )
        return made[-1]

    yield start
    for process in made:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _members(group: int) -> list[int]:
    """The living processes of a group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, member = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(member) == group and state != "Z":
            found.append(int(folder.name))
    return found


def _wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")


@needs_proc
@pytest.mark.parametrize("to_all", [True, False])
def test_ctrl_c_ends_all_of_them(started: Callable[..., subprocess.Popen[bytes]], to_all: bool) -> None:
    process = started()
    _wait_for(lambda: len(_members(process.pid)) == 3)
    (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"")
    assert _members(process.pid) == []


@needs_proc
def test_helpers_end_with_their_parent(started: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = started()
    _wait_for(lambda: len(_members(process.pid)) == 3)
    process.kill()
    process.wait()
    _wait_for(lambda: _members(process.pid) == [])


@needs_proc
def test_a_killed_helper_changes_nothing(started: Callable[..., subprocess.Popen[bytes]]) -> None:
    whole, broken = started("--format", "json"), started("--format", "json")
    _wait_for(lambda: len(_members(broken.pid)) == 3)
    os.kill(max(_members(broken.pid)), signal.SIGKILL)
    assert whole.communicate(timeout=120) == broken.communicate(timeout=120)
    assert whole.returncode == broken.returncode
    assert _members(broken.pid) == []


@needs_proc
def test_a_closed_pipe(started: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = started("--format", "json")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    assert process.wait(timeout=120) == 141
    assert _members(process.pid) == []
