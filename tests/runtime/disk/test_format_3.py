"""A run folder that the last version with single-file checkpoints left after 5 of 9 steps, under `train.stop_after`.

`format_3/resumed.jsonl` has the metrics with which that version itself continued the run; `best.pt`, of step 4, the
weights with the lowest validation bound.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hvaedsl.diagnostics.errors import DamagedRun, RunNotFound, WriteError
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from tests.runtime.disk.earlier_formats import assert_as_resumed, copied, resume
from tests.runtime.first_noise import use_first_noise

Command = Callable[..., tuple[object, str, str]]

LEFT = Path(__file__).parent / "format_3"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return copied(LEFT, tmp_path / "named", "last.pt", "best.pt")


def test_both_files_are_read(run: Path) -> None:
    assert load_checkpoint(RunFolder(run).checkpoint).step == 5
    finished = FinishedRun.open(run, "cpu")
    assert (finished.checkpoint.step, finished.last_step) == (4, 5)
    assert FinishedRun.open(run, "cpu", "best").checkpoint.step == 4
    assert FinishedRun.open(run, "cpu", "last").checkpoint.step == 5
    assert FinishedRun.open(run, "cpu", "5").checkpoint.step == 5


def test_it_is_resumed_to_the_same_numbers(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its own noise, that of version 1; without it, the run says that its curve changes."""
    use_first_noise(monkeypatch)
    resume(run)
    assert "with other random numbers in training: its curve continues with new ones" in capsys.readouterr().out
    found = [line for line in read_metrics(run / "metrics.jsonl") if line["step"] > 5]
    assert len(found) == 10
    assert_as_resumed(found, LEFT)
    assert RunFolder(run).newest_step() == 9
    assert not (run / "checkpoints" / "last.pt").exists()


def test_its_last_checkpoint_is_kept_until_the_next_one_is_complete(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hvaedsl_runtime.disk.checkpoint_folder.sync_folder", full)
    with pytest.raises(WriteError, match="the last checkpoint is of step 5"):
        resume(run)
    assert load_checkpoint(run / "checkpoints" / "last.pt").step == 5


def test_a_damaged_one_is_set_aside_and_nothing_starts_over(run: Path) -> None:
    last = run / "checkpoints" / "last.pt"
    last.write_bytes(last.read_bytes()[:-100])
    log = (run / "metrics.jsonl").read_bytes()
    for _ in range(2):
        with pytest.raises((DamagedRun, RunNotFound)) as caught:
            resume(run)
        assert caught.value.exit_code == 5
        assert "backup" in caught.value.help
    assert (run / "checkpoints" / "last.pt.damaged").exists()
    assert (run / "metrics.jsonl").read_bytes() == log
