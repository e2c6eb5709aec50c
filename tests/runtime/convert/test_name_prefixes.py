from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor, nn

import hvaedsl
from hvaedsl.diagnostics.errors import InvalidWeights
from hvaedsl_runtime.convert.name_prefixes import choose_weights, prefix_of
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.run_folder import RunFolder

Command = Callable[..., tuple[object, str, str]]
FILE = Path("file.ckpt")


def weights(*prefixes: str) -> dict[str, Tensor]:
    return {
        f"{prefix}{name}": torch.full((2,), float(number))
        for number, prefix in enumerate(prefixes)
        for name in ("encoder.stem.weight", "decoder.gain")
    }


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "_orig_mod.",
        "_orig_mod.module.module.",
        "state_dict.model.",
        "net.",
        "ema_model.",
    ],
)
@pytest.mark.parametrize("kind", ["raw", "ema"])
def test_a_prefix_of_every_name_is_removed_and_said(prefix: str, kind: str) -> None:
    chosen = choose_weights(weights(prefix), kind, FILE)  # type: ignore[arg-type]  # a literal
    assert set(chosen.tensors) == {"encoder.stem.weight", "decoder.gain"}
    (note,) = chosen.notes
    assert "file.ckpt: removed `" in note
    assert all(segment in note for segment in prefix.split("."))


def test_names_without_a_prefix_stay_as_they_are() -> None:
    chosen = choose_weights(weights(""), "ema", FILE)
    assert (set(chosen.tensors), chosen.notes) == (set(weights("")), ())
    other = {"layer1.weight": torch.zeros(2)}
    assert choose_weights(other, "raw", FILE).tensors is other


def test_each_option_takes_its_weights_from_a_file_with_both() -> None:
    both = weights("state_dict.model.", "state_dict.ema_model.module.")
    raw, ema = choose_weights(both, "raw", FILE), choose_weights(both, "ema", FILE)
    assert raw.tensors["decoder.gain"].tolist() == [0, 0]
    assert ema.tensors["decoder.gain"].tolist() == [1, 1]
    assert raw.notes[1] == (
        "file.ckpt: left out 2 tensors with the prefix `state_dict.ema_model.module.`; --ema takes them"
    )
    assert "`state_dict.model.`; --from takes them" in ema.notes[1]


def test_tensors_of_no_model_are_left_out_and_named() -> None:
    extra = {"n_averaged": torch.tensor(7), "loss.weight": torch.ones(1)}
    chosen = choose_weights({**weights("module."), **extra}, "ema", FILE)
    assert set(chosen.tensors) == {"encoder.stem.weight", "decoder.gain"}
    assert chosen.notes[1] == "file.ckpt: left out 2 tensors that belong to no model: n_averaged, loss.weight"
    # Beside the model's own names they are the business of the check that names and shapes fit.
    assert set(choose_weights({**weights(""), **extra}, "ema", FILE).tensors) == {*weights(""), *extra}


def test_several_models_of_a_kind_are_refused_by_name() -> None:
    with pytest.raises(InvalidWeights, match=r"2 models: names with the prefix `a\.` .* and the prefix `b\.`"):
        choose_weights(weights("a.", "b."), "raw", FILE)
    twice = {"decoder.gain": torch.ones(1), "decoder._orig_mod.gain": torch.ones(1)}
    with pytest.raises(InvalidWeights, match=r"decoder\.gain twice"):
        choose_weights(twice, "raw", FILE)


def test_the_prefix_is_what_precedes_the_model() -> None:
    assert prefix_of("decoder.blocks.r8_0.encoder.weight") == ""
    assert prefix_of("vae.model.likelihood.out_conv.bias") == "vae.model."
    assert prefix_of("n_averaged") is None


def test_wrapped_models_are_converted(tmp_path: Path, spec_path: Path, command: Command) -> None:
    program = hvaedsl.load(spec_path)
    raw, averaged = program.module(), program.module()
    with torch.no_grad():
        averaged.decoder.gain.fill_(2)
    lightning = nn.ModuleDict()
    lightning["net"] = cast(nn.Module, torch.compile(raw))
    lightning["ema"] = torch.optim.swa_utils.AveragedModel(averaged)
    torch.save({"epoch": 3, "state_dict": lightning.state_dict()}, tmp_path / "both.ckpt")

    file = tmp_path / "both.ckpt"
    code, out, err = command("convert", spec_path, "--from", file, "--ema", file, "--out", tmp_path / "run")
    assert code == 0, err
    assert "both.ckpt: removed `state_dict.net.` and `_orig_mod.` from the names" in out
    assert "both.ckpt: removed `state_dict.ema.module.`" in out
    checkpoint = load_checkpoint(RunFolder(tmp_path / "run").checkpoint)
    assert all(torch.equal(tensor, checkpoint.model[name]) for name, tensor in raw.state_dict().items())
    assert bool((checkpoint.ema["decoder.gain"] == 2).all())
