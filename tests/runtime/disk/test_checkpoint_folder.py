"""The folder of a checkpoint: what it can hold, every way in which it can be damaged, and how it gets its name."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import struct
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hvaedsl.diagnostics.errors import DamagedRun, WriteError
from hvaedsl_runtime.disk import checkpoint_folder
from hvaedsl_runtime.disk.checkpoint import load_checkpoint, save_checkpoint
from hvaedsl_runtime.disk.checkpoint_folder import FORMAT, verify
from hvaedsl_runtime.disk.checkpoint_names import name_of, steps_in
from hvaedsl_runtime.disk.saved_checkpoints import newest_good, tidy
from hvaedsl_runtime.disk.snapshot import Snapshot
from hvaedsl_runtime.disk.state_tree import state_of, tree_of
from tests.runtime.disk.conftest import FILES, state_at
from tests.runtime.equal_states import same
from tests.soak import soak

# --- what it holds


def test_every_value_comes_back_as_it_was(tmp_path: Path) -> None:
    state: dict[str, Any] = {
        "optimizer": {
            "state": {0: {"step": torch.tensor(3.0)}, 7: {"step": torch.tensor(4, dtype=torch.int64)}},
            "param_groups": [{"betas": (0.9, 0.99), "params": [0, 7], "lr": 1e-3, "fused": None, "nested": ((), [()])}],
        },
        "numbers": {"nan": math.nan, "infinite": (math.inf, -math.inf), "large": 2**70, "zero": -0.0, "third": 1 / 3},
        "names": {"$tensor": 1, "a.b": torch.ones(2), "a": {"b": torch.zeros(2)}, "": "ü\ud800\n", (1, "x"): True},
        "types": [
            torch.arange(6).reshape(2, 3).to(dtype)
            for dtype in (
                torch.float64,
                torch.bfloat16,
                torch.float16,
                torch.int8,
                torch.uint8,
                torch.bool,
                torch.int32,
            )
        ],
        "shapes": {"none": torch.zeros(0, 3), "one": torch.ones(()), "other": torch.arange(12.0).reshape(3, 4).t()},
        "single": torch.full((2,), math.nan),
    }
    save_checkpoint(tmp_path / "step-00000001", "hvae 1", state)
    loaded = load_checkpoint(tmp_path / "step-00000001").state
    assert list(loaded) == list(state)
    assert list(loaded["optimizer"]["state"]) == [0, 7]
    assert same(loaded["optimizer"], state["optimizer"])
    assert loaded["optimizer"]["param_groups"][0]["nested"] == ((), [()])
    assert same(loaded["names"], state["names"])
    assert math.isnan(loaded["numbers"]["nan"])
    assert str(loaded["numbers"]) == str(state["numbers"])
    assert [(item.dtype, item.shape) for item in loaded["types"]] == [(i.dtype, i.shape) for i in state["types"]]
    assert all(map(torch.equal, loaded["types"], state["types"]))
    assert same(loaded["shapes"], state["shapes"])
    assert loaded["single"].isnan().all()


def test_a_value_that_has_no_form_is_named() -> None:
    with pytest.raises(TypeError, match=r"the state has a set at counters\.seen"):
        tree_of({"counters": {"seen": {1}}})
    Pair = namedtuple("Pair", "one two")  # becomes a tuple, and no class is named
    assert state_of(tree_of({"a": Pair(1, 2)})[0], dict[tuple[str, str], torch.Tensor]().__getitem__) == {"a": (1, 2)}


def test_the_files_are_those_of_the_library(checkpoints: Path, tmp_path: Path) -> None:
    state, path = state_at(8), checkpoints / name_of(8)
    assert same(load_file(path / "model.safetensors"), dict(state["model"]))
    save_file(state["model"], tmp_path / "other.safetensors", {"format": "pt"})
    assert (path / "model.safetensors").read_bytes() == (tmp_path / "other.safetensors").read_bytes()
    assert sorted(item.name for item in path.iterdir()) == sorted(FILES)


def test_a_snapshot_does_not_follow_the_state_and_uses_the_memory_again() -> None:
    state = state_at(1)
    snapshot = Snapshot(1 << 20)
    snapshot.take(state)
    before = [bytes(file.content) for file in snapshot.files]
    state["model"]["stem.weight"].zero_()
    assert [bytes(file.content) for file in snapshot.files] == before
    address = snapshot._memory.data_ptr()
    snapshot.take(state)
    assert snapshot._memory.data_ptr() == address
    assert [bytes(file.content) for file in snapshot.files] != before
    snapshot.take({"model": {"large": torch.ones(1 << 19)}})  # 2 MiB, more than was expected
    assert snapshot.size > 1 << 21


# --- damage


@pytest.mark.parametrize("seed", [0, *map(soak, range(1, 20))])
def test_every_flipped_bit_and_every_truncation_is_found_and_named(checkpoints: Path, seed: int) -> None:
    draw = random.Random(seed)
    for name in FILES:
        path = checkpoints / name_of(12) / name
        whole = path.read_bytes()
        for _ in range(15):
            at = draw.randrange(len(whole))
            damaged = bytearray(whole)
            damaged[at] ^= 1 << draw.randrange(8)
            for content in (bytes(damaged), whole[:at]):
                path.write_bytes(content)
                with pytest.raises(DamagedRun) as caught:
                    load_checkpoint(checkpoints / name_of(12))
                assert name in str(caught.value)
                assert "backup" in caught.value.help
        path.write_bytes(whole)
    assert load_checkpoint(checkpoints / name_of(12)).step == 12


def test_every_bit_of_the_manifest_counts(checkpoints: Path) -> None:
    path = checkpoints / name_of(12) / "manifest.json"
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << (at % 8))]) + whole[at + 1 :])
        with pytest.raises(DamagedRun, match=r"manifest\.json"):
            verify(checkpoints / name_of(12))


def test_a_checkpoint_under_the_name_of_another_step_is_not_taken_for_it(checkpoints: Path) -> None:
    (checkpoints / name_of(12)).rename(checkpoints / name_of(16))
    with pytest.raises(DamagedRun, match="it is the checkpoint of step 12"):
        load_checkpoint(checkpoints / name_of(16))


def test_a_newer_format_names_the_upgrade(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_folder, "FORMAT", FORMAT + 1)
    save_checkpoint(checkpoints / name_of(16), "hvae 1", state_at(16))
    monkeypatch.undo()
    with pytest.raises(DamagedRun, match=f"has format {FORMAT + 1}") as caught:
        load_checkpoint(checkpoints / name_of(16))
    assert "upgrade" in caught.value.help


def test_reading_runs_no_code(checkpoints: Path) -> None:
    for path in (checkpoints / name_of(4)).iterdir():
        content = path.read_bytes()
        if path.suffix == ".safetensors":
            (length,) = struct.unpack("<Q", content[:8])
            json.loads(content[8 : 8 + length])
        else:
            json.loads(content)


# --- how it comes to the disk, and gets its name


def test_it_is_on_the_disk_before_it_takes_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def noted_fsync(number: int) -> None:
        order.append(Path(f"/proc/self/fd/{number}").readlink().name)
        fsync(number)

    def noted_rename(path: Path, to: Path) -> Path:
        order.append(f"{path.name} -> {to.name}")
        return rename(path, to)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    save_checkpoint(tmp_path / "step-00000004", "hvae 1", state_at(4))
    partial = ".step-00000004.partial"
    assert sorted(order[:3]) == ["model.safetensors", "optimizer.safetensors", "state.json"]
    assert order[3:] == ["manifest.json", partial, f"{partial} -> step-00000004", tmp_path.name]


@pytest.mark.parametrize("occasion", range(6))
def test_a_kill_at_any_moment_leaves_the_checkpoints_before(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch, occasion: int
) -> None:
    class KilledError(BaseException):
        pass

    fsync, left = os.fsync, [occasion]

    def killed(number: int) -> None:
        if left[0] == 0:
            raise KilledError
        left[0] -= 1
        fsync(number)

    monkeypatch.setattr(os, "fsync", killed)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # a killed process tidies nothing
    for step in (12, 16):  # one that is replaced, and a new one
        left[0] = occasion
        with pytest.raises(KilledError):
            save_checkpoint(checkpoints / name_of(step), "hvae 1", state_at(step))
    monkeypatch.undo()
    tidy(checkpoints)
    found = newest_good(checkpoints, pytest.fail)
    assert found is not None
    assert found.step == (16 if occasion == 5 else 12)  # the last one is that of the folder with the new name
    assert [path.name for path in checkpoints.iterdir() if path.name.startswith(".")] == []


def test_what_reads_back_otherwise_is_not_a_checkpoint(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def broken_disk(path: Path, to: Path) -> Path:
        with (path / "model.safetensors").open("r+b") as file:
            file.seek(200)
            file.write(b"\xff\x00\xff")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", broken_disk)
    with pytest.raises(WriteError, match="what was read back differs") as caught:
        save_checkpoint(checkpoints / name_of(16), "hvae 1", state_at(16))
    assert "disk" in caught.value.help
    assert steps_in(checkpoints) == [4, 8, 12]
    assert (checkpoints / "step-00000016.damaged").is_dir()


def test_a_large_file_is_brought_to_the_disk_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def counted(number: int) -> None:
        synced.append(os.fstat(number).st_size)
        fsync(number)

    monkeypatch.setattr(os, "fsync", counted)
    monkeypatch.setattr(checkpoint_folder, "CHUNK", 1000)
    monkeypatch.setattr(checkpoint_folder, "SYNCED", 3000)
    state = {**state_at(4), "model": {"weight": torch.zeros(1000, 2)}}
    save_checkpoint(tmp_path / name_of(4), "hvae 1", state)
    size = (tmp_path / name_of(4) / "model.safetensors").stat().st_size
    before_the_end = [found for found in synced[: synced.index(size)] if found > 2500]
    assert before_the_end == pytest.approx([3000, 6000], abs=1000)
    assert size == pytest.approx(8000, abs=200)


@pytest.mark.skipif(os.name != "posix", reason="only there a name may be any bytes")
def test_a_folder_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    """Its checkpoints are read, and not called damaged."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/m\xfc"))
    folder.mkdir()
    save_checkpoint(folder / name_of(4), "hvae 1", state_at(4))
    assert newest_good(folder, pytest.fail) is not None
