"""Saving beside the training: the thread that writes a checkpoint, and what the training sees of it."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hvaedsl.diagnostics.errors import WriteError
from hvaedsl_runtime.disk import checkpoint_writer
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.checkpoint_folder import Noted
from hvaedsl_runtime.disk.checkpoint_names import name_of, steps_in
from hvaedsl_runtime.disk.checkpoint_writer import CheckpointWriter
from hvaedsl_runtime.disk.saved_checkpoints import Retention
from hvaedsl_runtime.disk.snapshot import TensorFile
from tests.runtime.disk.conftest import state_at


def test_too_little_room_is_reported_before_anything_is_written(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(checkpoints)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    writer = CheckpointWriter(checkpoints, Retention(), 0)
    with pytest.raises(WriteError, match="it needs 4 MiB, and 1 MiB are free") as caught:
        writer.save("hvae 1", state_at(16), Noted(16))
    assert caught.value.help == "free some space there"
    assert steps_in(checkpoints) == [4, 8, 12]


def test_a_failure_of_the_thread_is_raised_once_in_the_training(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = CheckpointWriter(checkpoints, Retention(), 0)
    monkeypatch.setattr(os, "fsync", full)
    writer.save("hvae 1", state_at(16), Noted(16))
    with pytest.raises(WriteError, match="step-00000016: cannot be written: No space left on device"):
        writer.wait()
    monkeypatch.undo()
    writer.wait()
    assert steps_in(checkpoints) == [4, 8, 12]
    assert all(load_checkpoint(checkpoints / name_of(step)).step == step for step in (4, 8, 12))
    writer.save("hvae 1", state_at(16), Noted(16))
    writer.wait()
    assert steps_in(checkpoints) == [8, 12, 16]


def test_what_has_to_be_there_before_and_after_is_done_in_order(tmp_path: Path) -> None:
    order: list[tuple[str, list[int]]] = []
    writer = CheckpointWriter(
        tmp_path,
        Retention(),
        0,
        before=lambda: order.append(("before", steps_in(tmp_path))),
        after=lambda: order.append(("after", steps_in(tmp_path))),
    )
    (tmp_path / "last.pt").touch()
    writer.save("hvae 1", state_at(4), Noted(4))
    writer.wait()
    assert order == [("before", []), ("after", [4])]
    assert not (tmp_path / "last.pt").exists()


def test_who_waits_for_a_slow_disk_beats_as_long_as_more_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats: list[str] = []
    disk = threading.Semaphore(0)  # takes a piece when it is released
    chunks = TensorFile.chunks

    def slowly(file: TensorFile, size: int) -> Iterator[bytes | memoryview]:
        for chunk in chunks(file, size):
            disk.acquire()
            yield chunk

    monkeypatch.setattr(TensorFile, "chunks", slowly)
    monkeypatch.setattr(checkpoint_writer, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(checkpoint_writer, "beat", beats.append)
    writer = CheckpointWriter(tmp_path, Retention(), 0)
    writer.save("hvae 1", state_at(4), Noted(4))
    training = threading.Thread(target=writer.wait)
    training.start()
    try:
        for count in (1, 2, 3):
            until = time.monotonic() + 20.0
            while len(beats) < count and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(0.1)
            assert beats == ["writing a checkpoint"] * count  # a disk that takes nothing more is a hang
            disk.release()
    finally:
        disk.release(100)
        training.join()
    assert steps_in(tmp_path) == [4]
