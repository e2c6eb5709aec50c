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
