"""Published checkpoints into run folders and back, through the command line: nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

import hvaedsl
from hvaedsl.ir.parameter_names import parameter_shapes
from hvaedsl.lowering.names import published_parameters
from hvaedsl_runtime.data import published_preparation
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.weights import read_weights
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from tests.runtime.convert.state_dicts import equal, options, published, save

Command = Callable[..., tuple[object, str, str]]

# Three of the five published configurations (openai/vdvae, hps.py) with few channels: the smallest, the one with 5
# bits, and the largest. tests/conformance has the names, shapes and order of all five.
NARROW: dict[str, dict[str, str]] = {
    "cifar": {"model.width": "8"},
    "ffhq256": {"model.width": "4"},
    "ffhq1024": {
        "model.width": "4",
        "model.widths": "{512: 4, 256: 4, 128: 8, 64: 8, 32: 8, 16: 8, 8: 8, 4: 8, 1: 8}",
    },
}
# (pixel + shift) * scale on levels 0 to 255 (openai/vdvae, data.py; ffhq1024 there on pixels / 255).
PUBLISHED_INPUT = {
    "cifar": (-120.63838, 1 / 64.16736),
    "imagenet32_oord": (-116.2373, 1 / 69.37404),
    "imagenet64": (-115.92961967, 1 / 69.37404),
    "ffhq256": (-112.8666757481, 1 / 69.84780273),
    "ffhq1024": (-0.4387 * 255, 1 / 0.2743 / 255),
}


@pytest.mark.long
@pytest.mark.parametrize("spec", NARROW)
def test_there_and_back_again_bit_for_bit(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    monkeypatch.setenv("HVAEDSL_DATA", str(tmp_path / "no images here"))
    program = hvaedsl.load(spec, sets=NARROW[spec])
    given = {"raw": published(program, 1), "ema": published(program, 2)}
    raw = save(tmp_path / "iter-1700000-model.th", given["raw"])
    ema = save(tmp_path / "iter-1700000-model-ema.th", given["ema"], wrapped=False)
    out = tmp_path / "run"
    code, said, err = command("convert", spec, "--from", raw, "--ema", ema, "--out", out, *options(NARROW[spec]))
    assert code == 0, err
    assert "1,700,000 steps" in said

    finished = FinishedRun.open(out, "cpu")
    assert finished.checkpoint.step == 1_700_000
    assert finished.program.spec.model == program.spec.model
    expected = program.module()
    for weights, state_dict in given.items():
        expected.load_vdvae_state_dict(state_dict)
        assert equal(dict(finished.model("raw" if weights == "raw" else "ema").state_dict()), expected.state_dict())
    # The default weights are the averaged ones.
    for path, state_dict, *words in (
        (tmp_path / "back.th", given["raw"], "--weights", "raw"),
        (tmp_path / "back.safetensors", given["ema"]),
    ):
        code, _, err = command("convert", out, "--to", path, *words)
        assert code == 0, err
        assert equal(read_weights(path)[0], state_dict)
    assert list(torch.load(tmp_path / "back.th", weights_only=True)) == list(given["raw"])
    prepared = finished.checkpoint.preparation
    assert (prepared["shift"], prepared["scale"]) == pytest.approx(PUBLISHED_INPUT[spec], rel=1e-12)
    assert prepared["bits"] == (5 if spec == "ffhq256" else None)


@pytest.mark.parametrize("spec", PUBLISHED_INPUT)
def test_the_input_of_every_published_model(spec: str) -> None:
    program = hvaedsl.load(spec)
    prepared = published_preparation(program.spec.data, program.spec.model.likelihood, program.spec.data.dataset)
    assert prepared is not None
    assert (prepared.shift, prepared.scale) == pytest.approx(PUBLISHED_INPUT[spec], rel=1e-12)


def test_a_converted_run_is_evaluated_sampled_and_resumed(tmp_path: Path, command: Command, small: Path) -> None:
    program = hvaedsl.load(small)
    state_dict = published(program, 1)
    raw, out = save(tmp_path / "iter-2-model.th", state_dict), tmp_path / "run"
    code, said, err = command("convert", small, "--from", raw, "--out", out, "--trained-on", "cifar10")
    assert code == 0, err
    assert "the averaged weights are a copy of the raw ones" in said
    assert "the optimizer is re-initialized" in said

    assert command("eval", out, "--device", "cpu")[0] == 0
    found = json.loads((out / "eval_test.json").read_text())
    finished = FinishedRun.open(out, "cpu")
    model = program.module()
    model.load_vdvae_state_dict(state_dict)
    pixels = torch.from_numpy(np.load(tmp_path / "colors" / "test.npy"))
    losses = []
    for index in range(len(pixels)):
        one = pixels[index : index + 1].float()
        x, target = (one - 120.63838) / 64.16736, (one - 127.5) / 127.5
        noise = conversion_noise(finished, index)
        losses.append(model(x, target, noise).loss_nats_per_dim.item())
    assert found["raw"]["loss_nats_per_dim"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert found["raw"] == found["ema"]
    assert found["step"] == 2

    assert command("sample", out, "--device", "cpu", "--out", tmp_path / "s.png")[0] == 0
    code, _, err = command("train", out / "spec.hvae", "--out", out, "--resume", "--device", "cpu")
    assert code == 0, err
    trained = read_metrics(out / "metrics.jsonl")
    assert [line["step"] for line in trained if line["split"] == "train"] == [3, 4]


def conversion_noise(finished: FinishedRun, index: int) -> Callable[[int, tuple[int, ...]], Tensor]:
    from hvaedsl_runtime.noise import image_noise

    seed, layers = finished.program.spec.train.seed, finished.program.plan().latent_shapes
    return image_noise(seed, "test", [index], layers, torch.device("cpu"), torch.float32)


def test_a_run_with_shared_weights_goes_through_every_form(tmp_path: Path, command: Command, shared: Path) -> None:
    code, _, err = command("train", shared, "--out", tmp_path / "run", "--device", "cpu")
    assert code == 0, err
    before = load_checkpoint(RunFolder(tmp_path / "run").checkpoint)
    program = hvaedsl.load(shared)
    forms = [("th", "published"), ("safetensors", "published"), ("safetensors", "ours"), ("pt", "ours")]
    for suffix, names in forms:
        paths = {weights: tmp_path / f"{names}-{weights}.{suffix}" for weights in ("raw", "ema")}
        for weights, path in paths.items():
            code, _, err = command("convert", tmp_path / "run", "--to", path, "--weights", weights, "--names", names)
            assert code == 0, err
        wanted = published_parameters(program.bridge) if names == "published" else parameter_shapes(program.bridge)
        assert set(read_weights(paths["ema"])[0]) == set(wanted)
        again = tmp_path / f"again-{names}-{suffix}"
        code, said, err = command("convert", shared, "--from", paths["raw"], "--ema", paths["ema"], "--out", again)
        assert code == 0, err
        after = load_checkpoint(RunFolder(again).checkpoint)
        assert equal(after.model, before.model)
        assert equal(after.ema, before.ema)
        # A safetensors file says what torch's cannot; the images' statistics come to the same here.
        assert after.step == (before.step if suffix == "safetensors" else 0)
        assert after.preparation == before.preparation
        assert ("as stated in published-raw" in said or "as stated in ours-raw" in said) is (suffix == "safetensors")
    with safe_open(tmp_path / "ours-ema.safetensors", framework="pt") as file:
        metadata = file.metadata()
    assert metadata["weights"] == "ema"
    assert metadata["names"] == "ours"
    assert metadata["step"] == "4"
    assert hvaedsl.loads(metadata["spec"]).bridge == program.bridge


def test_a_cell_without_published_names_keeps_ours(tmp_path: Path, command: Command, small: Path) -> None:
    code, _, err = command("train", small, "--out", tmp_path / "run", "--device", "cpu", "--set", "model.cell=nvae")
    assert code == 0, err
    code, _, err = command("convert", tmp_path / "run", "--to", tmp_path / "w.safetensors")
    assert code == 5
    assert "vdvae and non_residual, not for nvae" in err
    assert "--names ours" in err
    assert not (tmp_path / "w.safetensors").exists()
    code, _, err = command("convert", tmp_path / "run", "--to", tmp_path / "w.safetensors", "--names", "ours")
    assert code == 0, err
    again = ("--ema", tmp_path / "w.safetensors", "--out", tmp_path / "again", "--set", "model.cell=nvae")
    assert command("convert", small, *again)[0] == 0


def test_narrow_and_wide_types_of_weights(tmp_path: Path, command: Command, small: Path) -> None:
    program = hvaedsl.load(small)
    for dtype, kept in ((torch.bfloat16, "float32"), (torch.float16, "float32"), (torch.float64, "float64")):
        state_dict = {name: value.to(dtype) for name, value in published(program, 1).items()}
        out = tmp_path / str(dtype)
        code, _, err = command(
            "convert", small, "--ema", save(tmp_path / "w.th", state_dict), "--out", out, "--trained-on", "cifar10"
        )
        assert code == 0, err
        checkpoint = load_checkpoint(RunFolder(out).checkpoint)
        assert checkpoint.position.dtype == kept
        gain = checkpoint.ema["decoder.gain"]
        assert torch.equal(gain, state_dict["decoder.gain"].to(gain.dtype))


@pytest.mark.long
def test_weights_that_were_trained_as_another_model_are_said_to_be(
    tmp_path: Path, command: Command, small: Path
) -> None:
    run, file = tmp_path / "run", tmp_path / "weights.safetensors"
    assert command("train", small, "--out", run, "--device", "cpu")[0] == 0
    assert command("convert", run, "--to", file)[0] == 0
    for cell, is_other in (("vdvae", False), ("non_residual", True)):
        out = tmp_path / cell
        code, said, err = command("convert", small, "--from", file, "--out", out, "--set", f"model.cell={cell}")
        assert code == 0, err
        assert ("trained as another model: model.cell: vdvae in the file, non_residual now" in said + err) == is_other
