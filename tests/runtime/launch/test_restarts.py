from __future__ import annotations

import os
from pathlib import Path

import pytest

from hvaedsl.diagnostics.errors import (
    CompilerBug,
    Diverged,
    Hung,
    HvaedslError,
    InvalidData,
    ProcessFailed,
    ProcessLost,
    Stopped,
    UsageError,
    WriteError,
)
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.launch.restarts import Restarts

KILLED = ProcessFailed("killed", status=-9)


def test_pauses_double_up_to_a_minute_and_restarts_are_bounded(tmp_path: Path) -> None:
    restarts = Restarts(8, RunFolder(tmp_path))
    pauses = [restarts.pause_after(KILLED) for _ in range(9)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, None]
    assert Restarts(0, RunFolder(tmp_path)).pause_after(KILLED) is None


def test_a_new_checkpoint_starts_the_count_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.checkpoint.parent.mkdir()
    restarts = Restarts(2, folder)
    assert [restarts.pause_after(KILLED) for _ in range(3)] == [1.0, 2.0, None]
    folder.checkpoint.with_name(".last.partial.pt").write_bytes(b"half")
    assert restarts.pause_after(KILLED) is None
    folder.checkpoint.write_bytes(b"whole")
    assert [restarts.pause_after(KILLED) for _ in range(3)] == [1.0, 2.0, None]


def test_only_a_complete_checkpoint_is_a_new_one(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (folder.checkpoints / "step-00000004").mkdir(parents=True)
    restarts = Restarts(1, folder)
    assert [restarts.pause_after(KILLED) for _ in range(2)] == [1.0, None]
    (folder.checkpoints / ".step-00000008.partial").mkdir()
    (folder.checkpoints / "best.json").write_text("{}")
    assert restarts.pause_after(KILLED) is None
    (folder.checkpoints / ".step-00000008.partial").rename(folder.checkpoints / "step-00000008")
    assert restarts.pause_after(KILLED) == 1.0
    os.utime(folder.checkpoints / "step-00000008", ns=(0, 0))  # written again, as after a rollback
    assert restarts.pause_after(KILLED) == 1.0


@pytest.mark.parametrize(
    ("error", "helps"),
    [
        (KILLED, True),
        (ProcessFailed("ended", status=5), True),
        (ProcessLost("lost"), True),
        (Hung("hangs"), True),
        (UsageError("wrong"), False),
        (InvalidData("damaged"), False),
        (Diverged("not finite"), False),
        (WriteError("full", remedy="free space"), False),
        (Stopped("stopped", signal=15), False),
        (CompilerBug("bug"), False),
    ],
)
def test_a_restart_follows_only_what_it_can_help(tmp_path: Path, error: HvaedslError, helps: bool) -> None:
    assert (Restarts(1, RunFolder(tmp_path)).pause_after(error) is not None) == helps
