from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor, nn

import hvaedsl
from hvaedsl.diagnostics.errors import InvalidWeights
from hvaedsl_runtime.convert.name_prefixes import choose_weights, prefix_of, without_module
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
    assert chosen.notes[1] == "file.ckpt: left out 2 tensors of no model: n_averaged, loss.weight"
    # Beside the model's own names they are the business of the check that names and shapes fit.
    assert set(choose_weights({**weights(""), **extra}, "ema", FILE).tensors) == {*weights(""), *extra}


def test_several_models_of_a_kind_are_refused_by_name() -> None:
    with pytest.raises(InvalidWeights, match=r"2 models: names with the prefix `a\.` .* and the prefix `b\.`"):
        choose_weights(weights("a.", "b."), "raw", FILE)
    twice = {"decoder.gain": torch.ones(1), "decoder._orig_mod.gain": torch.ones(1)}
    with pytest.raises(InvalidWeights, match=r"decoder\.gain twice"):
        choose_weights(twice, "raw", FILE)


def test_the_way_out_of_weights_that_are_left_out_is_an_option_that_takes_them() -> None:
    # ema-pytorch: `model` and `online_model` are the same module.
    of_trainer = weights("model.", "ema.ema_model.")
    of_trainer |= {name.replace("model.", "ema.online_model."): it for name, it in weights("model.").items()}
    raw, ema = choose_weights(of_trainer, "raw", FILE), choose_weights(of_trainer, "ema", FILE)
    assert raw.tensors["decoder.gain"].tolist() == [0, 0]
    assert ema.tensors["decoder.gain"].tolist() == [1, 1]
    assert [note.partition("prefix ")[2] for note in raw.notes[1:]] == [
        "`ema.ema_model.`; --ema takes them",
        "`ema.online_model.`",
    ]
    assert [note.partition("prefix ")[2] for note in ema.notes[1:]] == [
        "`model.`; --from takes them",
        "`ema.online_model.`",
    ]

    of_trainer["ema.online_model.decoder.gain"] = torch.ones(2)  # of another step
    assert not any("--from takes" in note for note in choose_weights(of_trainer, "ema", FILE).notes)
    with pytest.raises(InvalidWeights, match="the weights of 2 models"):
        choose_weights(of_trainer, "raw", FILE)


@pytest.mark.parametrize("segment", ["ema", "g_ema", "shadow", "callbacks.EMACallback.ema_weights", "averaged"])
def test_averaged_weights_are_told_by_a_word(segment: str) -> None:
    both = weights("model.", f"{segment}.")
    assert choose_weights(both, "raw", FILE).tensors["decoder.gain"].tolist() == [0, 0]
    assert choose_weights(both, "ema", FILE).tensors["decoder.gain"].tolist() == [1, 1]


def test_lightning_puts_averages_in_the_place_of_the_model() -> None:
    both = weights("current_model_state.model.", "state_dict.model.")
    assert choose_weights(both, "raw", FILE).tensors["decoder.gain"].tolist() == [0, 0]
    assert choose_weights(both, "ema", FILE).tensors["decoder.gain"].tolist() == [1, 1]


@pytest.mark.parametrize("around", ["model.", "model.net.", "model._orig_mod."])
def test_names_of_lit_ema_get_their_dots(around: str) -> None:
    raw = weights(f"state_dict.{around}")
    of_model = {name.removeprefix("state_dict.model."): tensor + 1 for name, tensor in raw.items()}
    averages = {f"state_dict.model_ema.{name.replace('.', '')}": tensor for name, tensor in of_model.items()}
    counters = {f"state_dict.model_ema.{name}": torch.tensor(2) for name in ("decay", "num_updates")}
    chosen = choose_weights({**raw, **averages, **counters}, "ema", FILE)
    assert {name: tensor.tolist() for name, tensor in chosen.tensors.items()} == {name: [1, 1] for name in weights("")}
    assert chosen.are_averaged
    assert "file.ckpt: matched the names without dots after `state_dict.model_ema.`" in chosen.notes[1]
    assert "; --ema takes them" in choose_weights({**raw, **averages, **counters}, "raw", FILE).notes[-1]

    # A frozen parameter has no average.
    del averages[next(iter(averages))]
    chosen = choose_weights({**raw, **averages, **counters}, "ema", FILE)
    assert sorted(tensor.tolist() for tensor in chosen.tensors.values()) == [[0, 0], [1, 1]]
    assert "; without an average: 1, for which those after `state_dict.model." in chosen.notes[1]

    # Names that are not those of the model.
    averages["state_dict.model_ema.other"] = torch.ones(2)
    with pytest.raises(InvalidWeights, match=r"`state_dict\.model_ema` has other names than the model's"):
        choose_weights({**raw, **averages, **counters}, "ema", FILE)


@pytest.mark.parametrize("model", ["model.", ""])
def test_averages_without_names_are_refused_and_not_replaced_by_raw_weights(model: str) -> None:
    shadow = {f"ema.shadow_params.{index}": torch.ones(2) for index in range(2)}
    content = {**weights(model), **shadow, "ema.decay": torch.tensor(0.9)}
    with pytest.raises(InvalidWeights, match=r"`ema\.shadow_params` has 2 tensors without the names") as caught:
        choose_weights(content, "ema", FILE)
    assert "copy_to" in caught.value.help
    assert "name this file with --from" in caught.value.help
    if model:
        chosen = choose_weights(content, "raw", FILE)
        assert set(chosen.tensors) == set(weights(""))
        assert "left out 3 tensors of no model: ema.shadow_params.0" in chosen.notes[1]
    with pytest.raises(InvalidWeights, match="has 2 tensors"):
        choose_weights(shadow, "ema", FILE)


def test_module_inside_of_a_name_is_removed_where_the_rest_fits() -> None:
    known = {"encoder.stem.weight", "decoder.module.gain", "decoder.bias"}
    names = ("encoder.module.stem.weight", "decoder.module.gain", "decoder.module.other", "decoder.bias")
    found = without_module({name: torch.ones(1) for name in names}, known, FILE)
    assert list(found.tensors) == ["encoder.stem.weight", *names[1:]]
    assert found.notes == ("file.ckpt: removed `module.` inside of 1 name",)
    with pytest.raises(InvalidWeights, match=r"has decoder\.bias twice"):
        without_module({name: torch.ones(1) for name in (*names, "decoder.module.bias")}, known, FILE)


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


def test_parts_in_data_parallel_are_converted(tmp_path: Path, spec_path: Path, command: Command) -> None:
    model = hvaedsl.load(spec_path).module()
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    parts: dict[str, nn.Module] = {"encoder": nn.DataParallel(model.encoder), "decoder": nn.DataParallel(model.decoder)}
    wrapped = {f"{part}.{name}": it for part, module in parts.items() for name, it in module.state_dict().items()}
    rest = {name: tensor for name, tensor in expected.items() if name.partition(".")[0] not in parts}
    torch.save({**rest, **wrapped}, tmp_path / "w.pt")
    code, out, err = command("convert", spec_path, "--from", tmp_path / "w.pt", "--out", tmp_path / "run")
    assert code == 0, err
    assert f"w.pt: removed `module.` inside of {len(wrapped)} names" in out
    checkpoint = load_checkpoint(RunFolder(tmp_path / "run").checkpoint)
    assert all(torch.equal(tensor, checkpoint.model[name]) for name, tensor in expected.items())


def test_the_same_weights_for_both_options_are_said(tmp_path: Path, spec_path: Path, command: Command) -> None:
    file = tmp_path / "model.pt"
    torch.save({"model": hvaedsl.load(spec_path).module().state_dict()}, file)
    _, out, _ = command("convert", spec_path, "--from", file, "--ema", file, "--out", tmp_path / "run")
    assert "--from and --ema took the same weights" in out


def test_averaged_weights_are_not_taken_as_raw_ones_without_a_word(
    tmp_path: Path, spec_path: Path, command: Command
) -> None:
    averaged = torch.optim.swa_utils.AveragedModel(hvaedsl.load(spec_path).module())
    file, raw = tmp_path / "averaged.pt", tmp_path / "raw.pt"
    torch.save(averaged.state_dict(), file)
    torch.save(averaged.module.state_dict(), raw)
    _, out, _ = command("convert", spec_path, "--from", file, "--out", tmp_path / "run")
    assert "averaged.pt states that it has averaged weights; --ema takes them" in out
    code, _, err = command("convert", spec_path, "--from", file, "--ema", raw, "--out", tmp_path / "other")
    assert code == 2
    assert "averaged.pt: states that it has averaged weights, but --from takes the weights of the last step" in err
