from __future__ import annotations

import os
import pickle
from dataclasses import fields, replace
from pathlib import Path
from typing import IO

import pytest
import torch

from hvaedsl.diagnostics.errors import RunError
from hvaedsl_runtime.disk.checkpoint import Checkpoint, load_checkpoint, save_checkpoint


@pytest.fixture
def checkpoint() -> Checkpoint:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return Checkpoint(
        version="0",
        spec="hvae 1",
        step=7,
        seed=2**70,
        world_size=2,
        dtype="float32",
        preparation={"shift": -1.5, "bits": None},
        skipped_updates=1,
        skipped_in_a_row=0,
        wall_seconds=1.25,
        model=model.state_dict(),
        ema=model.state_dict(),
        optimizer=optimizer.state_dict(),
    )


def test_what_is_saved_is_loaded(tmp_path: Path, checkpoint: Checkpoint) -> None:
    save_checkpoint(tmp_path / "last.pt", checkpoint)
    loaded = load_checkpoint(tmp_path / "last.pt")
    assert list(tmp_path.iterdir()) == [tmp_path / "last.pt"]
    for field in fields(Checkpoint):
        if field.name not in ("model", "ema", "optimizer"):
            assert getattr(loaded, field.name) == getattr(checkpoint, field.name)
    assert torch.equal(loaded.model["weight"], checkpoint.model["weight"])
    moments = loaded.optimizer["state"][0]["exp_avg"]
    assert torch.equal(moments, checkpoint.optimizer["state"][0]["exp_avg"])


def test_a_kill_in_the_middle_of_writing_leaves_the_old_file(
    tmp_path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, checkpoint)

    class KilledError(BaseException):
        pass

    def half_written(content: object, file: IO[bytes]) -> None:
        file.write(b"half")
        raise KilledError

    monkeypatch.setattr(torch, "save", half_written)
    with pytest.raises(KilledError):
        save_checkpoint(path, replace(checkpoint, step=8))
    monkeypatch.undo()
    assert load_checkpoint(path).step == 7
    save_checkpoint(path, replace(checkpoint, step=9))
    assert load_checkpoint(path).step == 9


def test_it_is_on_the_disk_before_it_takes_the_name(
    tmp_path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def noted_fsync(number: int) -> None:
        order.append("fsync")
        fsync(number)

    def noted_replace(self: Path, to: Path) -> Path:
        order.append("replace")
        return rename(self, to)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    save_checkpoint(tmp_path / "last.pt", checkpoint)
    assert order == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off", b"\x80\x04]"])
def test_a_damaged_file_is_one_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(RunError, match="cannot be read") as caught:
        load_checkpoint(path)
    assert caught.value.exit_code == 5


def test_a_file_that_was_cut_off_is_one_error(tmp_path: Path, checkpoint: Checkpoint) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, checkpoint)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RunError, match="cannot be read"):
        load_checkpoint(path)


def test_nothing_but_tensors_and_plain_values_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    marker = tmp_path / "executed"

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(marker),)

    torch.save({"format": 1, "model": Payload()}, path)
    with pytest.raises(RunError, match="cannot be read"):
        load_checkpoint(path)
    assert not marker.exists()
    path.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(RunError, match="cannot be read"):
        load_checkpoint(path)
    assert not marker.exists()


@pytest.mark.parametrize("content", [{"format": 2}, {"format": 1, "step": 3}, [1, 2]])
def test_another_format_is_one_error(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "last.pt")
    with pytest.raises(RunError, match="not a checkpoint of format 1"):
        load_checkpoint(tmp_path / "last.pt")


def test_a_missing_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no checkpoint"):
        load_checkpoint(tmp_path / "last.pt")
