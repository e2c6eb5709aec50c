"""Output into a file whose disk is full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")


COMMAND = [sys.executable, "-c", "from hvaedsl.cli.main import run; run()"]


@pytest.mark.parametrize("arguments", [("explain", "HV303"), ("lint", "cifar"), ("lint", "cifar", "--format", "json")])
def test_it_is_told_and_is_no_bug_of_ours(arguments: tuple[str, ...]) -> None:
    with FULL.open("wb") as full:
        ended = subprocess.run([*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "error: the output cannot be written: No space left on device\n")


def test_where_nothing_can_be_told_the_exit_code_says_it() -> None:
    with FULL.open("wb") as full:
        assert subprocess.run([*COMMAND, "explain", "HV999"], stdout=full, stderr=full, check=False).returncode == 2
