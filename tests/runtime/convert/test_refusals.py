"""Conversions that are refused: one readable error each, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.nn.utils import prune

import hvaedsl
from hvaedsl.diagnostics.errors import UsageError, WeightsMismatch
from hvaedsl_runtime.convert.conversion import Sources, WeightFile, import_weights
from hvaedsl_runtime.convert.weight_names import as_ours, layout_of
from hvaedsl_runtime.disk.weights import read_weights, write_safetensors
from tests.runtime.convert.state_dicts import StateDict, equal, options, published, save

Command = Callable[..., tuple[object, str, str]]


def test_weights_of_unshared_blocks_do_not_become_shared(tmp_path: Path, command: Command, shared: Path) -> None:
    state_dict = published(hvaedsl.load(shared), 1)
    state_dict["decoder.dec_blocks.4.z_proj.bias"] += 1
    path = save(tmp_path / "w.th", state_dict)
    code, _, err = command("convert", shared, "--ema", path, "--out", tmp_path / "run", "--trained-on", "cifar10")
    assert code == 5
    assert "decoder.dec_blocks.4.z_proj.bias and decoder.dec_blocks.3.z_proj.bias differ" in err


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
    assert f"{len(state_dict):,} of {len(state_dict) + 1:,} parameters fit" in err

    nothing = save(tmp_path / "other.th", {"layer1.weight": torch.zeros(2)})
    code, _, err = command("convert", small, "--ema", nothing, "--out", tmp_path / "run")
    assert code == 5
    assert "no weights of such a model" in err
    assert not (tmp_path / "run").exists()


def test_wrong_names_get_the_nearest_parameter(tmp_path: Path, small: Path) -> None:
    program = hvaedsl.load(small)
    right = published(program, 1)
    count, name = len(right), "decoder.dec_blocks.1.prior.c3.weight"
    wrong = "decoder.dec_block.1.prior.c3.weight"

    def refused(state_dict: StateDict) -> WeightsMismatch:
        with pytest.raises(WeightsMismatch) as caught:
            as_ours(program, state_dict, tmp_path / "w.th")
        return caught.value

    error = refused({wrong if key == name else key: tensor for key, tensor in right.items()})
    assert f"{count - 1:,} of {count:,} parameters fit: 1 missing ({name}); 1 unknown ({wrong})" in str(error)
    assert error.help == f"rename the keys of the state dict, and save it again: {wrong} to {name}"

    error = refused({**right, "epochs": torch.zeros(1)})
    assert f"{count:,} of {count:,} parameters fit: 1 unknown (epochs)" in str(error)
    assert "remove the unknown names" in error.help
    assert f"{count - 1:,} of {count:,} parameters fit: 1 of another shape" in str(
        refused({**right, name: torch.zeros(3)})
    )


@pytest.mark.parametrize(
    ("normalize", "call"),
    [
        (torch.nn.utils.weight_norm, "torch.nn.utils.remove_weight_norm"),
        (torch.nn.utils.spectral_norm, "torch.nn.utils.remove_spectral_norm"),
        (torch.nn.utils.parametrizations.weight_norm, "torch.nn.utils.parametrize.remove_parametrizations"),
        (torch.nn.utils.parametrizations.spectral_norm, "torch.nn.utils.parametrize.remove_parametrizations"),
        (partial(prune.l1_unstructured, name="weight", amount=1), "torch.nn.utils.prune.remove"),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_normalized_weights_are_folded_and_not_renamed(
    tmp_path: Path, small: Path, normalize: Callable[..., object], call: str
) -> None:
    program = hvaedsl.load(small)
    state_dict = published(program, 1)
    layer = "decoder.dec_blocks.1.prior.c3"
    outputs, inputs, *kernel = state_dict.pop(f"{layer}.weight").shape
    del state_dict[f"{layer}.bias"]
    convolution = torch.nn.Conv2d(inputs, outputs, kernel[0])
    normalize(convolution)
    state_dict |= {f"{layer}.{name}": tensor for name, tensor in convolution.state_dict().items()}

    with pytest.raises(WeightsMismatch) as caught:
        as_ours(program, state_dict, tmp_path / "w.th")
    assert "rename" not in caught.value.help
    assert f"call {call} on the layers" in caught.value.help


def test_weights_without_values_are_refused(tmp_path: Path, command: Command, small: Path) -> None:
    on_meta = {name: tensor.to("meta") for name, tensor in published(hvaedsl.load(small), 1).items()}
    code, _, err = command("convert", small, "--from", save(tmp_path / "w.th", on_meta), "--out", tmp_path / "run")
    assert code == 5
    assert "encoder.in_conv.weight is on the device meta, where a tensor has no values" in err


@pytest.mark.parametrize(("name", "step"), [("iter-20.th", 20), ("x-iter-7-model.th", 7), ("iter-20k.th", None)])
def test_the_step_in_a_name_is_a_whole_number(name: str, step: int | None) -> None:
    assert WeightFile(Path(name), {}, "published", {}, ()).step == step


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
        (2, "must end in .safetensors, .th, .pt or .pth", (full, "--to", tmp_path / "w.ckpt")),
        (2, "folder that exists", (full, "--to", tmp_path / "none" / "w.th")),
        (5, "the weights of 2 models: names with no prefix", (small, "--ema", both, *new)),
        (5, "is not empty: it has notes.txt", (small, "--ema", good, "--out", full)),
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


def test_a_file_is_replaced_only_when_it_is_asked_for(tmp_path: Path, command: Command, small: Path) -> None:
    ema = save(tmp_path / "w.th", published(hvaedsl.load(small), 1))
    assert command("convert", small, "--ema", ema, "--out", tmp_path / "run", "--trained-on", "cifar10")[0] == 0
    (tmp_path / "e.th").write_text("mine")
    assert command("convert", tmp_path / "run", "--to", tmp_path / "e.th")[0] == 5
    assert (tmp_path / "e.th").read_text() == "mine"
    assert command("convert", tmp_path / "run", "--to", tmp_path / "e.th", "--force")[0] == 0
    assert equal(read_weights(tmp_path / "e.th")[0], published(hvaedsl.load(small), 1))


def test_the_working_directory_does_not_become_a_run(
    tmp_path: Path, command: Command, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ema = save(tmp_path / "w.th", published(hvaedsl.load(small), 1))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    code, _, err = command("convert", small, "--ema", ema, "--out", ".", "--trained-on", "cifar10")
    assert code == 2
    assert "error: --out is ., the working directory\n  help: name a new folder in it" in err
    assert not any(Path().iterdir())


def test_raw_and_averaged_weights_are_not_exchanged(tmp_path: Path, small: Path) -> None:
    program = hvaedsl.load(small)
    state_dict = published(program, 1)

    def written(weights: str) -> Path:
        path = tmp_path / f"{weights}.safetensors"
        write_safetensors(path, state_dict, {"hvaedsl_version": "1", "weights": weights, "step": "5"})
        return path

    def convert(
        name: str, raw: Path | None = None, ema: Path | None = None, optimizer: Path | None = None
    ) -> list[str]:
        return [*import_weights(program, Sources(raw, ema, optimizer, trained_on="cifar10"), tmp_path / name).notes]

    raw, ema = written("raw"), written("ema")
    by_name = save(tmp_path / "iter-5-model.th", state_dict), save(tmp_path / "iter-5-model-ema.th", state_dict)
    for one, other in ((raw, ema), by_name):
        with pytest.raises(UsageError, match="states that it has averaged weights, but --from takes") as caught:
            convert("run", raw=other, ema=one)
        assert caught.value.help == "exchange the files of --from and --ema"
    with pytest.raises(UsageError, match="states that it has the weights of the last step, but --ema takes") as caught:
        convert("run", raw=raw, ema=raw)
    assert "or omit it" in caught.value.help
    with pytest.raises(UsageError, match="averaged weights, but --from takes") as caught:
        convert("run", raw=ema, optimizer=raw)
    assert "omit --optimizer" in caught.value.help
    assert not (tmp_path / "run").exists()

    # Alone, a file is used for both.
    assert "ema.safetensors states that it has averaged weights; --ema takes them" in convert("alone", raw=ema)
    assert not any("states" in note for note in convert("both", raw=raw, ema=ema))


def test_a_residual_block_without_published_names_is_named(small: Path) -> None:
    program = hvaedsl.load(small, sets={"model.block": "attention"})
    with pytest.raises(WeightsMismatch, match="the residual block residual alone, and no names for attention"):
        layout_of(program, "published")
    assert layout_of(program, "ours").required
