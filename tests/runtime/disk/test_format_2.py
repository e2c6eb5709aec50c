"""A run folder that the version with format 2 left after 5 of 9 steps, and weights that it wrote: labels in the names.

`format_2/resumed.jsonl` has the metrics with which that version itself continued the run. Its blocks are such that a
name of format 2 is that of another block, of the same shapes, in format 3.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import hvaedsl
from hvaedsl.diagnostics.errors import DamagedRun
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from tests.runtime.disk.earlier_formats import assert_as_resumed, copied, resume, unpacked
from tests.runtime.first_noise import use_first_noise
from tests.runtime.saved_states import saved

Command = Callable[..., tuple[object, str, str]]

LEFT = Path(__file__).parent / "format_2"
# A name in format 2, and the name of the same parameter now.
MOVED = {
    "encoder.blocks.r8_0.c1.weight": "encoder.blocks.r8_0.c1.weight",
    "encoder.blocks.shared_fine.c1.weight": "encoder.blocks.r8_1.c1.weight",
    "encoder.blocks.r8_1.c1.weight": "encoder.blocks.r8_2.c1.weight",
    "encoder.blocks.shared_deep.c1.weight": "encoder.blocks.r4_0.c1.weight",
    "decoder.blocks.shared_deep.prior.c4.bias": "decoder.blocks.r4_1.prior.c4.bias",
    "decoder.blocks.shared_top.prior.c4.bias": "decoder.blocks.r8_0.prior.c4.bias",
    "decoder.blocks.r8_0.prior.c4.bias": "decoder.blocks.r8_1.prior.c4.bias",
    "decoder.blocks.r8_1.prior.c4.bias": "decoder.blocks.r8_2.prior.c4.bias",
    "decoder.states.r8": "decoder.states.r8",
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return copied(LEFT, tmp_path / "labeled", "last.pt")


def as_left(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(RunFolder(run).checkpoint, weights_only=True)
    return content


def check_weights(found: dict[str, Tensor], left: dict[str, Tensor], spec: Path) -> None:
    """Every tensor is there, under the name of its block's position."""
    module = hvaedsl.load(spec).module()
    assert list(found) == list(module.state_dict())
    assert all(torch.equal(now, before) for now, before in zip(found.values(), left.values(), strict=True))
    assert all(torch.equal(found[now], left[before]) for before, now in MOVED.items())


def test_it_is_of_format_2_and_its_names_mean_other_blocks_now(run: Path) -> None:
    left = as_left(run)
    assert (left["format"], left["position"]["step"]) == (2, 5)
    now = hvaedsl.load(run / "spec.hvae").module().state_dict()
    assert {name for name in left["model"] if name in now and MOVED.get(name, name) != name}


def test_parameters_get_the_names_of_their_positions(run: Path) -> None:
    left, loaded = as_left(run), load_checkpoint(RunFolder(run).checkpoint)
    check_weights(loaded.model, left["model"], run / "spec.hvae")
    check_weights(loaded.ema, left["ema"], run / "spec.hvae")
    assert loaded["counters"] == left["counters"]
    model = FinishedRun.open(run, "cpu").model("ema")
    assert all(torch.equal(tensor, loaded.ema[name]) for name, tensor in model.state_dict().items())


def test_format_1_had_the_same_names(run: Path) -> None:
    left = as_left(run)
    parts = {name: left[name] for name in ("spec", "model", "ema", "optimizer", "preparation")}
    torch.save(
        {"format": 1, "version": "0", **parts, **left["position"], **left["counters"]}, RunFolder(run).checkpoint
    )
    loaded = load_checkpoint(RunFolder(run).checkpoint)
    check_weights(loaded.model, left["model"], run / "spec.hvae")


@pytest.mark.parametrize("labels", [("top", "fine"), ("bottom", "top")])
def test_it_is_resumed_to_the_same_numbers_under_any_labels(
    run: Path, tmp_path: Path, labels: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_first_noise(monkeypatch)
    text = (run / "spec.hvae").read_text().replace("@fine", f"@{labels[1]}").replace("@top", f"@{labels[0]}")
    spec = tmp_path / "renamed.hvae"
    spec.write_text(text)
    resume(run, spec)
    found = [line for line in read_metrics(run / "metrics.jsonl") if line["step"] > 5]
    assert len(found) == 6
    assert_as_resumed(found, LEFT)
    content = saved(run)
    assert not any("shared_" in name for part in ("model", "ema") for name in content[part])


@pytest.mark.parametrize("name", ["ema.th", "ema.safetensors"])
def test_its_weight_files_are_imported(run: Path, tmp_path: Path, name: str, command: Command) -> None:
    path = unpacked(LEFT, name, tmp_path)
    code, _, err = command("convert", run / "spec.hvae", "--ema", path, "--out", tmp_path / "again")
    assert code == 0, err
    check_weights(load_checkpoint(RunFolder(tmp_path / "again").checkpoint).ema, as_left(run)["ema"], run / "spec.hvae")


def test_a_weight_file_with_its_spec_is_imported_under_other_labels(
    run: Path, tmp_path: Path, command: Command
) -> None:
    # With the labels exchanged, names that were read by the given spec would be taken for other blocks'.
    text = (run / "spec.hvae").read_text().replace("@fine", "@x").replace("@deep", "@fine").replace("@x", "@deep")
    spec = tmp_path / "renamed.hvae"
    spec.write_text(text)
    path = unpacked(LEFT, "ema.safetensors", tmp_path)
    code, _, err = command("convert", spec, "--ema", path, "--out", tmp_path / "again")
    assert code == 0, err
    check_weights(load_checkpoint(RunFolder(tmp_path / "again").checkpoint).ema, as_left(run)["ema"], spec)


def test_a_weight_file_without_its_spec_needs_the_labels_of_that_time(
    run: Path, tmp_path: Path, command: Command
) -> None:
    spec = tmp_path / "renamed.hvae"
    spec.write_text((run / "spec.hvae").read_text().replace("@fine", "@bottom"))
    code, _, err = command("convert", spec, "--ema", unpacked(LEFT, "ema.th", tmp_path), "--out", tmp_path / "again")
    assert code == 5
    assert "encoder.blocks.shared_bottom.c1.weight" in err
    assert "encoder.blocks.shared_fine.c1.weight" in err
    assert "use the labels of the spec that wrote the file" in err


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"spec": "hvae 1 model { encoder = 8x1@g }"}, "`spec` does not compile: "),
        (
            {"model": {"encoder.blocks.r8_2.c1.weight": torch.zeros(1)}},
            "encoder.blocks.r8_2.c1.weight, and the spec has no",
        ),
        ({"ema": 3}, "`ema` is not a state dict"),
    ],
)
def test_a_damaged_one_is_one_error(run: Path, damage: dict[str, object], reason: str) -> None:
    torch.save(as_left(run) | damage, RunFolder(run).checkpoint)
    with pytest.raises(DamagedRun) as caught:
        load_checkpoint(RunFolder(run).checkpoint)
    assert reason in str(caught.value)
    assert caught.value.help


def test_every_command_reads_it(run: Path, tmp_path: Path, command: Command) -> None:
    for arguments in (
        ("eval", run, "--device", "cpu"),
        ("sample", run, "--device", "cpu", "--out", tmp_path / "s.png"),
        ("convert", run, "--to", tmp_path / "w.safetensors", "--names", "ours"),
        ("convert", run, "--to", tmp_path / "w.th"),
        ("export", run, "--to", "safetensors"),
    ):
        code, _, err = command(*arguments)
        assert code in (0, None), (arguments, err)
