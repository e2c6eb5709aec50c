"""The checkpoints of a run: which one is read after damage, and which are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from hvaedsl.diagnostics.errors import DamagedRun
from hvaedsl_runtime.disk.checkpoint import load_checkpoint, save_checkpoint
from hvaedsl_runtime.disk.checkpoint_folder import Noted
from hvaedsl_runtime.disk.checkpoint_names import name_of, steps_in
from hvaedsl_runtime.disk.checkpoint_writer import CheckpointWriter
from hvaedsl_runtime.disk.saved_checkpoints import (
    Best,
    Retention,
    load_best,
    newest_good,
    prune,
    read_best,
    write_best,
)
from tests.runtime.disk.conftest import FILES, state_at

# --- which one is read


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named_and_the_checkpoint_before_is_taken(checkpoints: Path, name: str) -> None:
    (checkpoints / name_of(12) / name).unlink()
    said: list[str] = []
    found = newest_good(checkpoints, said.append, set_aside=True)
    assert found is not None
    assert found.step == 8
    assert name in said[0]
    assert "renamed to step-00000012.damaged" in said[0]
    assert "of step 8" in said[1]
    assert (checkpoints / "step-00000012.damaged").is_dir()
    assert steps_in(checkpoints) == [4, 8]


def test_readers_take_the_one_before_and_rename_nothing(checkpoints: Path) -> None:
    (checkpoints / name_of(12) / "state.json").write_text("{}")
    said: list[str] = []
    found = newest_good(checkpoints, said.append)
    assert found is not None
    assert (found.step, steps_in(checkpoints)) == (8, [4, 8, 12])
    assert len(said) == 2


def test_with_none_left_nothing_is_taken(checkpoints: Path) -> None:
    for step in (4, 8, 12):
        (checkpoints / name_of(step) / "model.safetensors").write_bytes(b"")
    with pytest.raises(DamagedRun, match="every checkpoint is damaged") as caught:
        newest_good(checkpoints, lambda _: None)
    assert "--out" in caught.value.help
    assert newest_good(checkpoints / "none", lambda _: None) is None


# --- which are kept


@pytest.mark.parametrize(
    ("retention", "best", "kept"),
    [
        (Retention(3), None, [32, 36, 40]),
        (Retention(1), None, [40]),
        (Retention(2), 12, [12, 36, 40]),
        (Retention(2, 16), 12, [12, 16, 32, 36, 40]),
        (Retention(20), None, list(range(4, 44, 4))),
    ],
)
def test_the_last_the_best_and_the_permanent_ones_are_kept(
    tmp_path: Path, retention: Retention, best: int | None, kept: list[int]
) -> None:
    for step in range(4, 44, 4):
        save_checkpoint(tmp_path / name_of(step), "hvae 1", state_at(step))
    if best is not None:
        write_best(tmp_path, Best(best, "ema", 2.5))
    prune(tmp_path, retention)
    assert steps_in(tmp_path) == kept
    assert all(load_checkpoint(tmp_path / name_of(step)).step == step for step in kept)


def test_what_was_the_best_of_one_that_is_kept_is_kept_too(tmp_path: Path) -> None:
    # A run that falls back to step 12 may end with step 4, however good step 16 was.
    writer = CheckpointWriter(tmp_path, Retention(2), 0)
    for step, best in ((4, 4), (8, 4), (12, 4), (16, 16)):
        writer.save("hvae 1", state_at(step), Noted(step, best))
        writer.wait()
    assert steps_in(tmp_path) == [4, 12, 16]


# --- the best


def test_the_best_is_recorded_with_a_checksum(checkpoints: Path) -> None:
    assert load_best(checkpoints) is None
    write_best(checkpoints, Best(8, "raw", 1.5))
    assert read_best(checkpoints) == Best(8, "raw", 1.5)
    found = load_best(checkpoints)
    assert found is not None
    assert found.step == 8
    path = checkpoints / "best.json"
    path.write_text(path.read_text().replace("8", "4", 1))
    with pytest.raises(DamagedRun, match="checksum"):
        load_best(checkpoints)
    write_best(checkpoints, Best(6, "raw", 1.5))
    with pytest.raises(DamagedRun, match="step-00000006 is missing"):
        load_best(checkpoints)
