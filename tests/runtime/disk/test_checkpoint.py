from __future__ import annotations

import copy
import json
import logging
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from hvaedsl.diagnostics.errors import DamagedRun, RunNotFound
from hvaedsl_runtime.disk import checkpoint as module
from hvaedsl_runtime.disk.checkpoint import FILE_FORMAT, FORMAT, MIGRATIONS, load_checkpoint, save_checkpoint
from hvaedsl_runtime.noise import NOISE_VERSION

State = dict[str, Any]


@pytest.fixture
def state() -> State:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return {
        "model": model.state_dict(),
        "ema": {name: tensor + 1 for name, tensor in model.state_dict().items()},
        "averaging": {"updates": 6},
        "optimizer": optimizer.state_dict(),
        "position": {
            "seed": 2**70,
            "step": 7,
            "world_size": 2,
            "dtype": "float64",
            "micro_batch": 2,
            "noise": NOISE_VERSION,
        },
        "counters": {"skipped_updates": 1, "skipped_in_a_row": 0, "wall_seconds": 1.25},
        "preparation": {"shift": -1.5, "bits": None},
        "versions": {"hvaedsl": "0", "torch": "2"},
    }


def flat(state: State) -> State:
    """The file of format 1 for the same run."""
    parts = {name: state[name] for name in ("model", "ema", "optimizer", "preparation")}
    position = {name: state["position"][name] for name in ("seed", "step", "world_size", "dtype")}
    return {"format": 1, "spec": "hvae 1", "version": "0", **parts, **position, **state["counters"]}


def at_step(state: State, step: int) -> State:
    return {**state, "position": {**state["position"], "step": step}}


def test_what_is_saved_is_loaded(tmp_path: Path, state: State) -> None:
    save_checkpoint(tmp_path / "step-00000007", "hvae 1", state)
    loaded = load_checkpoint(tmp_path / "step-00000007")
    assert list(tmp_path.iterdir()) == [tmp_path / "step-00000007"]
    assert loaded.spec == "hvae 1"
    assert set(loaded.state) == set(state)
    for name in ("averaging", "position", "counters", "preparation", "versions"):
        assert loaded[name] == state[name]
    assert torch.equal(loaded.model["weight"], state["model"]["weight"])
    assert torch.equal(loaded.ema["weight"], state["ema"]["weight"])
    moments = loaded["optimizer"]["state"][0]["exp_avg"]
    assert torch.equal(moments, state["optimizer"]["state"][0]["exp_avg"])
    assert (loaded.step, loaded.position.seed, loaded.position.world_size) == (7, 2**70, 2)
    assert loaded.position.torch_dtype is torch.float64
    assert (loaded.counters.skipped_updates, loaded.counters.wall_seconds) == (1, 1.25)
    assert loaded.preparation == {"shift": -1.5, "bits": None}
    assert loaded.version == "0"


def test_the_public_names_are_those_of_the_modules_and_safetensors_reads_them(tmp_path: Path, state: State) -> None:
    path = tmp_path / "step-00000007"
    save_checkpoint(path, "hvae 1", state)
    content = json.loads((path / "state.json").read_text())
    assert content["format"] == FORMAT == 4
    assert content["spec"] == "hvae 1"
    assert content["state"]["preparation"]["shift"] == -1.5
    for part in ("model", "ema"):
        found = load_file(path / f"{part}.safetensors")
        assert all(torch.equal(found[name], tensor) for name, tensor in state[part].items())
        assert found.keys() == state[part].keys()


def test_format_1_becomes_the_current_one(tmp_path: Path, state: State, caplog: pytest.LogCaptureFixture) -> None:
    torch.save(flat(state), tmp_path / "last.pt")
    with caplog.at_level(logging.INFO, logger="hvaedsl_runtime"):
        loaded = load_checkpoint(tmp_path / "last.pt")
    assert "from format 1 to 2" in caplog.text
    assert loaded.spec == "hvae 1"
    assert set(loaded.state) == set(state)
    for name in ("averaging", "counters", "preparation"):
        assert loaded[name] == state[name]
    # It had other noise, and computed a batch at once.
    assert loaded["position"] == {**state["position"], "micro_batch": 0, "noise": 1}
    assert loaded["versions"] == {"hvaedsl": "0", "torch": "unknown"}
    assert torch.equal(loaded.model["weight"], state["model"]["weight"])


@pytest.mark.parametrize(("field", "part"), [("step", "position"), ("skipped_updates", "counters")])
def test_a_field_that_format_1_lacks_is_missing_afterwards(tmp_path: Path, state: State, field: str, part: str) -> None:
    content = flat(state)
    del content[field]
    torch.save(content, tmp_path / "last.pt")
    loaded = load_checkpoint(tmp_path / "last.pt")
    with pytest.raises(DamagedRun, match=f"`{part}`: `{field}` is missing"):
        getattr(loaded, part)
    with pytest.raises(DamagedRun, match="`averaging` is missing"):
        _ = loaded["averaging"]


def test_every_migration_leads_to_the_format_after_it(
    tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def renamed(content: State) -> State:
        moved = MIGRATIONS[3](content)
        return {("weights" if name == "model" else name): value for name, value in moved.items()}

    monkeypatch.setattr(module, "MIGRATIONS", {**MIGRATIONS, 3: renamed})
    torch.save(flat(state), tmp_path / "1.pt")
    torch.save({"format": 2, "spec": "hvae 1", **state}, tmp_path / "2.pt")
    for path in (tmp_path / "1.pt", tmp_path / "2.pt"):
        loaded = load_checkpoint(path)
        assert torch.equal(loaded["weights"]["weight"], state["model"]["weight"])
        assert loaded.step == 7


@pytest.mark.parametrize("earlier", [False, True])
def test_unknown_fields_are_kept_or_named(
    tmp_path: Path, state: State, earlier: bool, caplog: pytest.LogCaptureFixture
) -> None:
    content = flat(state) if earlier else {"format": 2, "spec": "hvae 1", **copy.deepcopy(state)}
    content["grokking"] = {"seen": True}
    if not earlier:
        content["counters"]["restarts"] = 3
    torch.save(content, tmp_path / "last.pt")
    loaded = load_checkpoint(tmp_path / "last.pt")
    assert loaded["grokking"] == {"seen": True}
    assert loaded.counters.skipped_updates == 1
    assert ("counters: ignoring unknown fields: restarts" in caplog.text) is not earlier


@pytest.mark.parametrize("part", ["model", "ema", "preparation", "position", "counters", "versions"])
def test_a_missing_part_is_one_error_for_those_who_need_it(tmp_path: Path, state: State, part: str) -> None:
    del state[part]
    save_checkpoint(tmp_path / "step-00000007", "hvae 1", state)
    loaded = load_checkpoint(tmp_path / "step-00000007")
    with pytest.raises(DamagedRun, match=rf"step-00000007: .*`{part}` is missing") as caught:
        getattr(loaded, "version" if part == "versions" else part)
    assert "backup" in caught.value.help
    assert loaded["optimizer"]


def test_a_missing_field_is_one_error(tmp_path: Path, state: State) -> None:
    del state["position"]["world_size"]
    save_checkpoint(tmp_path / "step-00000007", "hvae 1", state)
    with pytest.raises(DamagedRun, match=r"step-00000007: .*`position`: `world_size` is missing"):
        _ = load_checkpoint(tmp_path / "step-00000007").step


def test_a_part_of_another_type_is_one_error(tmp_path: Path, state: State) -> None:
    save_checkpoint(tmp_path / "step-00000007", "hvae 1", {**state, "counters": 3})
    with pytest.raises(DamagedRun, match=r"step-00000007: .*`counters`: "):
        _ = load_checkpoint(tmp_path / "step-00000007").counters


def test_a_newer_format_names_the_upgrade(tmp_path: Path, state: State) -> None:
    torch.save({"format": FILE_FORMAT + 1, "spec": "hvae 1", **state}, tmp_path / "last.pt")
    with pytest.raises(
        DamagedRun, match=rf"last\.pt: .* format {FILE_FORMAT + 1}; .* up to {FILE_FORMAT} of such files$"
    ) as caught:
        load_checkpoint(tmp_path / "last.pt")
    assert "pip install --upgrade hvaedsl" in caught.value.help


@pytest.mark.parametrize("content", [{"format": 0}, {"format": "1"}, {"step": 3}, [1, 2]])
def test_a_file_of_something_else_is_one_error(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "last.pt")
    with pytest.raises(DamagedRun, match="not a checkpoint of hvaedsl"):
        load_checkpoint(tmp_path / "last.pt")


@pytest.mark.parametrize("content", [{"format": 1, "step": 3}, {"format": 2}])
def test_a_file_without_a_spec_is_one_error(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "last.pt")
    with pytest.raises(DamagedRun, match="`spec` is missing"):
        load_checkpoint(tmp_path / "last.pt")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off", b"\x80\x04]"])
def test_a_damaged_file_is_one_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(DamagedRun, match="cannot be read") as caught:
        load_checkpoint(path)
    assert caught.value.exit_code == 5


def test_a_file_that_was_cut_off_is_one_error(tmp_path: Path, state: State) -> None:
    path = tmp_path / "last.pt"
    torch.save({"format": 3, "spec": "hvae 1", **state}, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DamagedRun, match="cannot be read"):
        load_checkpoint(path)


@pytest.mark.parametrize("version", [1, 2])
def test_nothing_but_tensors_and_plain_values_is_unpickled(tmp_path: Path, version: int) -> None:
    path = tmp_path / "last.pt"
    marker = tmp_path / "executed"

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(marker),)

    torch.save({"format": version, "model": Payload()}, path)
    with pytest.raises(DamagedRun, match="cannot be read"):
        load_checkpoint(path)
    assert not marker.exists()
    path.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(DamagedRun, match="cannot be read"):
        load_checkpoint(path)
    assert not marker.exists()


def test_a_missing_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(RunNotFound, match="no checkpoint"):
        load_checkpoint(tmp_path / "last.pt")
