"""Output into a file whose disk is full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")


def test_it_is_told_and_is_no_bug_of_ours() -> None:
    command = [sys.executable, "-c", "from hvaedsl.cli.main import run; run()", "explain", "HV303"]
    with FULL.open("wb") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (
            2,
            "error: the output cannot be written: No space left on device\n",
        )
        assert subprocess.run([*command[:-1], "HV999"], stdout=full, stderr=full, check=False).returncode == 2
