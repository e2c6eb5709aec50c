"""Output into a file whose disk is full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")


COMMAND = [sys.executable, "-c", "from hvaedsl.cli.main import run; run()"]
REFUSED = "error: the output: cannot be written: No space left on device"
WAY_OUT = "  help: free some space there, or send it elsewhere"


@pytest.mark.parametrize("arguments", ["--help", "compile cifar", "explain HV303", "lint cifar --format json"])
def test_it_is_told_and_is_no_bug_of_ours(arguments: str) -> None:
    command = [*COMMAND, *arguments.split()]
    with FULL.open("wb") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (5, f"{REFUSED}\n{WAY_OUT}\n")


def test_where_nothing_can_be_told_the_exit_code_says_it() -> None:
    with FULL.open("wb") as full:
        assert subprocess.run([*COMMAND, "explain", "HV999"], stdout=full, stderr=full, check=False).returncode == 2
        assert subprocess.run([*COMMAND, "explain", "HV303"], stdout=full, stderr=full, check=False).returncode == 5


def test_a_descriptor_that_is_open_for_reading(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with file.open("rb") as reading:
        ended = subprocess.run([*COMMAND, "explain", "HV303"], stdout=reading, stderr=subprocess.PIPE, check=False)
    assert ended.returncode == 5
    assert ended.stderr.startswith(b"error: the output: cannot be written: Bad file descriptor\n")
