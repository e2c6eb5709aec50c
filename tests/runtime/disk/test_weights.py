"""Weight files: what is written is read, and what cannot be written is one error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from hvaedsl.diagnostics.errors import InvalidWeights, RunError
from hvaedsl_runtime.disk.weights import read_weights, write_safetensors, write_torch


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    return {"a.weight": torch.randn(3, 2), "a.bias": torch.randn(2, dtype=torch.float64)}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return list(one) == list(other) and all(
        torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one
    )


def test_safetensors_come_back_with_their_metadata(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    path = tmp_path / "w.safetensors"
    write_safetensors(path, tensors, {"step": "7"})
    found, metadata = read_weights(path)
    assert same(dict(sorted(found.items())), dict(sorted(tensors.items())))
    assert metadata["step"] == "7"
    assert {"format", "format_version"} < set(metadata)
    assert list(tmp_path.iterdir()) == [path]


def test_a_newer_format_asks_for_an_upgrade(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    # The version is read only in files of hvaedsl: another program's may mean something else by the same key.
    for number, metadata in enumerate(({"hvaedsl_version": "9", "format_version": "3"}, {"format_version": "3"})):
        save_file(tensors, tmp_path / f"{number}.safetensors", metadata)
    with pytest.raises(InvalidWeights, match="has format 3; this version of hvaedsl reads formats up to 2") as caught:
        read_weights(tmp_path / "0.safetensors")
    assert "upgrade" in caught.value.help
    assert set(read_weights(tmp_path / "1.safetensors")[0]) == set(tensors)


def test_tensors_that_share_memory_are_each_written(tmp_path: Path) -> None:
    whole = torch.arange(6.0).reshape(2, 3)
    shared = {"first": whole, "again": whole, "row": whole[1], "turned": whole.T}
    write_safetensors(tmp_path / "w.safetensors", shared, {})
    found = load_file(tmp_path / "w.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in shared.items())


@pytest.mark.parametrize("suffix", [".th", ".pt", ".safetensors"])
def test_torch_files_come_back(tmp_path: Path, tensors: dict[str, Tensor], suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    if suffix == ".safetensors":
        save_file(tensors, path)  # of another program, without metadata
    else:
        write_torch(path, tensors)
    found, metadata = read_weights(path)
    assert same(dict(sorted(found.items())), dict(sorted(tensors.items())))
    assert metadata == {}


def test_the_format_of_old_versions_of_torch_is_read(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    torch.save(tensors, tmp_path / "old.th", _use_new_zipfile_serialization=False)
    assert same(read_weights(tmp_path / "old.th")[0], tensors)


def test_state_dicts_in_a_larger_checkpoint_are_read_by_their_keys(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    content = {
        "epoch": 3, "state_dict": model.state_dict(), "optimizer_states": [optimizer.state_dict()],
        "callbacks": {"average": {"model": model.state_dict(), "decay": 0.9}}, "optimizer": optimizer.state_dict(),
    }  # fmt: skip
    torch.save(content, tmp_path / "w.ckpt")
    found, _ = read_weights(tmp_path / "w.ckpt")
    assert set(found) == {f"{p}.{n}" for p in ("state_dict", "callbacks.average.model") for n in ("weight", "bias")}


def test_tensors_in_lists_and_beside_other_values_are_read_by_their_keys(tmp_path: Path) -> None:
    tensor = torch.ones(1)
    around: dict[str, object] = {"gain": tensor}
    around["again"] = around
    content = {
        "step": tensor, "names": ["a"], "model": {"weight": tensor, "version": 2},
        "ema": {"decay": 0.9, "list": [tensor]}, "several": [{"weight": tensor}],
        "pairs": [("weight", tensor)], "numbered": {3: tensor}, "around": around,
    }  # fmt: skip
    torch.save(content, tmp_path / "w.pt")
    found, _ = read_weights(tmp_path / "w.pt")
    assert set(found) == {
        *("step", "model.weight", "ema.list.0", "several.0.weight", "pairs.weight", "numbered.3", "around.gain"),
    }


def test_a_name_that_is_not_utf_8_is_written_and_read(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    for suffix in (".th", ".safetensors"):
        path = tmp_path / (os.fsdecode(b"caf\xe9") + suffix)
        try:
            path.touch()
        except (OSError, UnicodeEncodeError):
            pytest.skip("the file system takes no such name")
        write_torch(path, tensors) if suffix == ".th" else write_safetensors(path, tensors, {"step": "7"})
        found, metadata = read_weights(path)
        assert same(dict(sorted(found.items())), dict(sorted(tensors.items())))
    assert metadata["step"] == "7"


@pytest.mark.parametrize("name", ["w.th", "w.safetensors"])
def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="No space left on device") as caught:
        write_safetensors(path, tensors, {}) if name.endswith("safetensors") else write_torch(path, tensors)
    assert caught.value.exit_code == 5
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    for name in ("w.th", "w.safetensors"):
        path = tmp_path / "nowhere" / name
        with pytest.raises(RunError, match="cannot be written"):
            write_safetensors(path, tensors, {}) if name.endswith("safetensors") else write_torch(path, tensors)
