"""What a person sees of a run, where nobody can see it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hvaedsl_runtime.console import LastingConsole


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_log_whose_disk_is_full_ends_no_run() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as log:
        console = LastingConsole(file=log)
        console.print("step 1")
        console.print("step 2")
        assert console.quiet
        assert os.fstat(log.fileno()).st_rdev == Path(os.devnull).stat().st_rdev
