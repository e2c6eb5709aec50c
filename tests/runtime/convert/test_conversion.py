"""Published checkpoints into run folders and back, through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

import hvaedsl
from hvaedsl import Program
from hvaedsl.lowering.names import parameter_shapes, published_parameters
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.weights import read_weights
from hvaedsl_runtime.evaluate.finished_run import FinishedRun

Command = Callable[..., tuple[object, str, str]]
StateDict = dict[str, Tensor]

# The five published configurations (openai/vdvae, hps.py) with few channels.
NARROW: dict[str, dict[str, str]] = {
    "cifar": {"model.width": "8"},
    "imagenet32_oord": {"model.width": "8"},
    "imagenet64": {"model.width": "8"},
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
SMALL = """hvae 1
data {{ dataset = npy path = "{path}" channels = 3 resolution = 8 }}
model {{ width = 8 latent = 2 encoder = 8x2, 8d2, 4x2 decoder = {decoder} likelihood = mixture_of_logistics(2) }}
train {{ steps = 4 batch_size = 4 learning_rate = 1e-3 lr_warmup_steps = 0 eval_every = 9 save_every = 9 }}
sample {{ count = 2 }}
"""


@pytest.fixture
def colors(tmp_path: Path) -> Path:
    """8 training and 6 test images of 8x8 pixels, as a spec's `npy`."""
    folder = tmp_path / "colors"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for split, count in (("train", 8), ("test", 6)):
        np.save(folder / f"{split}.npy", rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8))
    return folder


@pytest.fixture
def small(tmp_path: Path, colors: Path) -> Path:
    path = tmp_path / "small.hvae"
    path.write_text(SMALL.format(path=colors, decoder="4x2, 8m4, 8x2"), encoding="utf-8")
    return path


@pytest.fixture
def shared(tmp_path: Path, colors: Path) -> Path:
    path = tmp_path / "shared.hvae"
    path.write_text(SMALL.format(path=colors, decoder="4x2, 8m4, 8r3"), encoding="utf-8")
    return path


def published(program: Program, seed: int) -> StateDict:
    """A state dict with the published names and random values; of a shared block the same for every application."""
    generator = torch.Generator().manual_seed(seed)
    shapes = parameter_shapes(program.bridge)
    values = {name: 0.1 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return {name: values[ours].clone() for name, ours in published_parameters(program.bridge).items()}


def save(path: Path, state_dict: StateDict, *, wrapped: bool = True) -> Path:
    """As the published code saves: the model inside DistributedDataParallel, the averaged one bare."""
    torch.save({("module." if wrapped else "") + name: value for name, value in state_dict.items()}, path)
    return path


def options(sets: dict[str, str]) -> list[str]:
    return [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]


def equal(one: StateDict, other: StateDict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


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
    trained = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in trained if line["split"] == "train"] == [3, 4]


def conversion_noise(finished: FinishedRun, index: int) -> Callable[[int, tuple[int, ...]], Tensor]:
    from hvaedsl_runtime.noise import ImageNoise

    seed = finished.program.spec.train.seed
    return ImageNoise(seed, "test", [index], torch.device("cpu"), torch.float32)


def test_the_published_optimizer_continues_where_it_stopped(tmp_path: Path, command: Command, small: Path) -> None:
    """One more update of the published model, under the published numbering, and of the converted run."""
    program = hvaedsl.load(small, sets={"train.betas": "0.9, 0.9"})
    theirs = {name: torch.nn.Parameter(value) for name, value in published(program, 1).items()}
    optimizer = torch.optim.AdamW(theirs.values(), lr=1e-3, betas=(0.9, 0.9), weight_decay=0.01, fused=True)
    gradients = [published(program, seed) for seed in (2, 3, 4)]
    for gradient in gradients[:2]:
        for name, parameter in theirs.items():
            parameter.grad = gradient[name]
        optimizer.step()
    raw = save(tmp_path / "iter-2-model.th", {name: parameter.detach().clone() for name, parameter in theirs.items()})
    state = optimizer.state_dict()
    torch.save(as_apex_saves(state), tmp_path / "apex-opt.th")
    torch.save(state, tmp_path / "torch-opt.th")
    for name, parameter in theirs.items():
        parameter.grad = gradients[2][name]
    optimizer.step()
    for kind in ("apex", "torch"):
        out = tmp_path / kind
        code, said, err = command(
            "convert", small, "--from", raw, "--out", out, "--trained-on", "cifar10",
            "--optimizer", tmp_path / f"{kind}-opt.th",
        )  # fmt: skip
        assert code == 0, err
        assert f"moments of {len(theirs)} parameters after 2 updates" in said
        model = FinishedRun.open(out, "cpu").model("raw")
        ours = torch.optim.AdamW(model.parameters())
        ours.load_state_dict(load_checkpoint(RunFolder(out).checkpoint)["optimizer"])
        for name, own in published_parameters(program.bridge).items():
            model.get_parameter(own).grad = gradients[2][name]
        ours.step()
        assert all(torch.equal(value, theirs[name]) for name, value in model.vdvae_state_dict().items())
        code, _, err = command("train", out / "spec.hvae", "--out", out, "--resume", "--device", "cpu")
        assert code == 0, err


def as_apex_saves(state: dict[str, Any]) -> dict[str, Any]:
    """FusedAdam's form: the number of updates is in the group."""
    moments = {
        number: {key: value for key, value in item.items() if key != "step"} for number, item in state["state"].items()
    }
    group = {
        "lr": 1e-3, "betas": (0.9, 0.9), "eps": 1e-8, "weight_decay": 0.01, "bias_correction": True,
        "initial_lr": 1e-3, "step": 2, "params": state["param_groups"][0]["params"],
    }  # fmt: skip
    return {"state": moments, "param_groups": [group]}


def test_an_optimizer_that_does_not_fit_is_refused(tmp_path: Path, command: Command, small: Path, shared: Path) -> None:
    program = hvaedsl.load(small)
    state_dict = published(program, 1)
    raw = save(tmp_path / "model.th", state_dict)
    optimizer = torch.optim.AdamW([torch.nn.Parameter(value) for value in state_dict.values()])
    whole = optimizer.state_dict()
    other_moments = {0: {"exp_avg": torch.zeros(3), "exp_avg_sq": torch.zeros(3), "step": torch.tensor(1.0)}}
    first = next(iter(state_dict.values()))
    zeros = {"exp_avg": torch.zeros_like(first), "exp_avg_sq": torch.zeros_like(first)}
    spoiled = torch.full_like(first, torch.nan)
    cases: list[tuple[Path, object, str]] = [
        (small, state_dict, "not the state of an optimizer"),
        (small, {"state": {}, "param_groups": [{"params": [0, 1]}]}, "has the state of 2 parameters"),
        (small, {**whole, "state": other_moments}, "exp_avg is [3]"),
        (small, {**whole, "state": {0: {"momentum_buffer": torch.zeros(3)}}}, "momentum_buffer"),
        (small, {**whole, "state": {0: zeros}}, "number of updates is None"),
        (
            small,
            {**whole, "state": {0: {**zeros, "exp_avg": spoiled, "step": torch.tensor(1.0)}}},
            "`exp_avg` is NaN in",
        ),
        (small, {**whole, "state": {0: {**zeros, "step": torch.tensor(0.5)}}}, "number of updates"),
        (shared, whole, "shares no weights"),
    ]
    for spec, content, words in cases:
        torch.save(content, tmp_path / "opt.th")
        weights = raw if spec == small else save(tmp_path / "s.th", published(hvaedsl.load(spec), 1))
        code, _, err = command(
            "convert", spec, "--from", weights, "--optimizer", tmp_path / "opt.th",
            "--out", tmp_path / "run", "--trained-on", "cifar10",
        )  # fmt: skip
        assert code == 5, err
        assert words in err
        assert "Traceback" not in err
        assert not (tmp_path / "run").exists()


def test_differing_settings_of_the_optimizer_are_reported(tmp_path: Path, command: Command, small: Path) -> None:
    state_dict = published(hvaedsl.load(small), 1)
    parameters = [torch.nn.Parameter(value) for value in state_dict.values()]
    torch.save(torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.0).state_dict(), tmp_path / "opt.th")
    code, said, err = command(
        "convert", small, "--from", save(tmp_path / "model.th", state_dict), "--optimizer", tmp_path / "opt.th",
        "--out", tmp_path / "run", "--trained-on", "cifar10",
    )  # fmt: skip
    assert code == 0, err
    for setting in ("betas", "weight_decay is 0.0", "learning_rate is 0.002"):
        assert f"train.{setting}" in said


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


def test_weights_of_unshared_blocks_do_not_become_shared(tmp_path: Path, command: Command, shared: Path) -> None:
    state_dict = published(hvaedsl.load(shared), 1)
    state_dict["decoder.dec_blocks.4.z_proj.bias"] += 1
    path = save(tmp_path / "w.th", state_dict)
    code, _, err = command("convert", shared, "--ema", path, "--out", tmp_path / "run", "--trained-on", "cifar10")
    assert code == 5
    assert "decoder.dec_blocks.4.z_proj.bias and decoder.dec_blocks.3.z_proj.bias differ" in err


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


def test_weights_of_another_model_name_the_differences_and_the_specs_that_fit(
    tmp_path: Path, command: Command, small: Path
) -> None:
    program = hvaedsl.load("digits")
    width = program.spec.model.width
    digits = save(tmp_path / "digits.th", published(program, 1))
    code, _, err = command("convert", small, "--ema", digits, "--out", tmp_path / "run")
    assert code == 5
    assert "does not have the weights of small" in err
    assert " unknown (encoder.enc_blocks." in err
    assert f"encoder.in_conv.weight is [{width}, 1, 3, 3] in the file and [8, 3, 3, 3] in the model" in err
    assert "it fits the shipped spec digits" in err

    state_dict = published(hvaedsl.load(small), 1)
    del state_dict["decoder.dec_blocks.1.prior.c3.weight"]
    code, _, err = command("convert", small, "--ema", save(tmp_path / "less.th", state_dict), "--out", tmp_path / "run")
    assert code == 5
    assert "1 missing (decoder.dec_blocks.1.prior.c3.weight)" in err
    assert "width 8 for images of 3 channels, 5 encoder blocks, 5 decoder blocks" in err

    nothing = save(tmp_path / "other.th", {"layer1.weight": torch.zeros(2)})
    code, _, err = command("convert", small, "--ema", nothing, "--out", tmp_path / "run")
    assert code == 5
    assert "no weights of such a model" in err
    assert not (tmp_path / "run").exists()


def test_mistakes_are_one_readable_error(tmp_path: Path, command: Command, small: Path) -> None:
    state_dict = published(hvaedsl.load(small), 1)
    good = save(tmp_path / "iter-5-model.th", state_dict)
    later = save(tmp_path / "iter-6-model-ema.th", state_dict)
    both = save(tmp_path / "both.th", {**state_dict, "module.decoder.gain": torch.zeros(1)}, wrapped=False)
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").write_text("mine")
    new = ("--out", tmp_path / "run")
    cases: list[tuple[int, str, tuple[str | Path, ...]]] = [
        (2, "--from, --ema or both", (small, *new)),
        (2, "is a folder; to write its weights to a file, add --to", (full,)),
        (2, "no such file", (small, "--ema", tmp_path / "none.th", *new)),
        (2, "from different steps", (small, "--from", good, "--ema", later, *new)),
        (2, "--optimizer needs the weights", (small, "--ema", good, "--optimizer", good, *new)),
        (2, "--trained-on is celeba", (small, "--ema", good, "--trained-on", "celeba", *new)),
        (2, "--ema imports into a run folder", (full, "--to", tmp_path / "w.th", "--ema", good)),
        (2, "--step imports into a run folder", (full, "--to", tmp_path / "w.th", "--step", "0")),
        (2, "--names needs --to", (small, "--ema", good, "--names", "ours", *new)),
        (2, "must end in .safetensors or .th", (full, "--to", tmp_path / "w.npz")),
        (2, "folder that exists", (full, "--to", tmp_path / "none" / "w.th")),
        (5, "the weights of 2 models: names with no prefix", (small, "--ema", both, *new)),
        (5, "is not empty", (small, "--ema", good, "--out", full)),
        (5, "is not a folder", (small, "--ema", good, "--out", good)),
        (
            5,
            "iter-5-model.th is not a folder",
            (small, "--ema", good, "--trained-on", "cifar10", "--out", good / "in a file"),
        ),
        (5, "no run in this folder", (full, "--to", tmp_path / "w.th")),
        (5, "no such folder", (tmp_path / "none", "--to", tmp_path / "w.th")),
        (5, "exists already", (full, "--to", good)),
    ]
    for expected, words, arguments in cases:
        code, _, err = command("convert", *arguments)
        assert code == expected, (arguments, err)
        assert words in err, (arguments, err)
        assert "Traceback" not in err
    assert not (tmp_path / "run").exists()
    assert [path.name for path in full.iterdir()] == ["notes.txt"]


def test_unknown_constants_are_told_with_a_way_out(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch, small: Path
) -> None:
    monkeypatch.setenv("HVAEDSL_DATA", str(tmp_path))
    (tmp_path / "colors" / "train.npy").unlink()
    ema = save(tmp_path / "w.th", published(hvaedsl.load(small), 1))
    code, _, err = command("convert", small, "--ema", ema, "--out", tmp_path / "run")
    assert code == 4
    assert "shift and scale are unknown" in err
    assert "--trained-on" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        ({"model.fourier.exponents": "[1, 2]"}, "exponents, of the image: [7, 8] in the file, [1, 2] in the spec"),
        ({"model.likelihood": "mixture_of_logistics(2, bits = 5)"}, "model.likelihood: none in the file, 5 in"),
        ({"data.levels": "17"}, "data.levels: 256 in the file, 17 in the spec"),
    ],
)
def test_weights_that_were_trained_on_other_inputs_are_refused(
    tmp_path: Path, command: Command, small: Path, sets: dict[str, str], told: str
) -> None:
    fourier = {"model.fourier.at": "[image]", "model.fourier.exponents": "[7, 8]"}
    state_dict = published(hvaedsl.load(small, sets=fourier), 1)
    ema, file = save(tmp_path / "w.th", state_dict), tmp_path / "w.safetensors"
    assert command("convert", small, *options(fourier), "--ema", ema, "--out", tmp_path / "run")[0] == 0
    assert command("convert", tmp_path / "run", "--to", file)[0] == 0
    code, out, err = command("convert", small, *options(fourier), "--ema", file, "--out", tmp_path / "again")
    assert code == 0, err
    assert "as stated in w.safetensors" in out
    code, _, err = command("convert", small, *options(fourier | sets), "--ema", file, "--out", tmp_path / "other")
    assert code == 5
    assert told in err
    assert not (tmp_path / "other").exists()


def test_a_conversion_that_fails_while_writing_leaves_nothing(
    tmp_path: Path, command: Command, small: Path, file_size_limit: Callable[[int], AbstractContextManager[None]]
) -> None:
    ema = save(tmp_path / "w.th", published(hvaedsl.load(small), 1))
    before = sorted(tmp_path.iterdir())
    with file_size_limit(20_000):
        code, _, err = command("convert", small, "--ema", ema, "--out", tmp_path / "run", "--trained-on", "cifar10")
    assert code == 5
    assert f"{tmp_path}/run: cannot be written: File too large" in err
    assert "or name another folder with --out" in err
    assert sorted(tmp_path.iterdir()) == before


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


def test_a_file_is_replaced_only_when_it_is_asked_for(tmp_path: Path, command: Command, small: Path) -> None:
    ema = save(tmp_path / "w.th", published(hvaedsl.load(small), 1))
    assert command("convert", small, "--ema", ema, "--out", tmp_path / "run", "--trained-on", "cifar10")[0] == 0
    (tmp_path / "e.th").write_text("mine")
    assert command("convert", tmp_path / "run", "--to", tmp_path / "e.th")[0] == 5
    assert (tmp_path / "e.th").read_text() == "mine"
    assert command("convert", tmp_path / "run", "--to", tmp_path / "e.th", "--force")[0] == 0
    assert equal(read_weights(tmp_path / "e.th")[0], published(hvaedsl.load(small), 1))
