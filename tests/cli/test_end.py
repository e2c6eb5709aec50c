"""How a command ends: without another search for garbage, unless torch has something to close."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, gc, sys, types
atexit.register(lambda: print(gc.get_freeze_count() > 0))
{before}
from hvaedsl.cli.main import run
sys.argv = ["hvaedsl", "--version"]
run()
"""


@pytest.mark.parametrize(
    ("before", "frozen"), [("", True), ("sys.modules['torch'] = types.ModuleType('torch')", False)]
)
def test_what_is_left_is_frozen_where_torch_is_not_loaded(before: str, frozen: bool) -> None:
    command = [sys.executable, "-c", PROGRAM.format(before=before)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == str(frozen)
