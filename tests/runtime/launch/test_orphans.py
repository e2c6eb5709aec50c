"""A process ends with the one that started it, whichever way that one ended, and at whatever moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.conftest import start_time

# A process starts another, prints its number, and waits; the other one says how it ends.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], *sys.argv[2:]])
print(child.pid, flush=True)
time.sleep(600)
"""
CHILD = """
import os, signal, sys, time
from pathlib import Path
from hvaedsl_runtime.launch import orphans
orphans.GRACE_SECONDS = float(sys.argv[2])
orphans._signal_on_death = orphans._signal_on_death if sys.argv[3] == "kernel" else lambda: False
signal.signal(signal.SIGTERM, lambda *_: Path(sys.argv[1]).write_text("stopped"))
orphans.stop_with_parent(os.getppid())
Path(sys.argv[1]).write_text("ready")
time.sleep(600)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the processes are found in /proc")
@pytest.mark.parametrize("how", ["kernel", "poll"])
def test_an_orphan_is_told_to_stop_and_ends_even_if_it_does_not(tmp_path: Path, how: str) -> None:
    said = tmp_path / "said"
    words = [sys.executable, "-c", PARENT, CHILD, str(said), "0.2", how]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        until = time.monotonic() + 60.0
        while not said.exists() or not said.read_text():
            assert time.monotonic() < until
            time.sleep(0.02)
        started = start_time(child)
        parent.kill()
    while start_time(child) == started:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert said.read_text() == "stopped"


def test_one_whose_parent_ended_before_it_looked_ends_at_once() -> None:
    code = "from hvaedsl_runtime.launch.orphans import stop_with_parent\nstop_with_parent(1)\nprint('goes on')\n"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (128 + signal.SIGTERM, "")
    assert os.getpid() != 1
