"""`train.freeze` and `train.rates`: what a name means, and the findings about names that do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import Diagnostic, edited
from hvaedsl.diagnostics.span import Source
from hvaedsl.ir.named_weights import NamedWeights, named_weights, path_of
from hvaedsl.ir.parameter_names import parameter_shapes
from hvaedsl.program import compile_source

TEXT = """hvae 1
data { dataset = digits }
model {
  width = 16  latent = 4
  encoder = 8x2, 8d2@g, 4x1@g
  decoder = 4x1, 8m4, 8x1
}
train { TRAIN }
"""
SHARED = "encoder.blocks.r8_2"  # applied at 8 and at 4


def weights(text: str = TEXT) -> NamedWeights:
    return named_weights(hvaedsl.loads(text.replace("TRAIN", "")).bridge)


def errors(train: str, text: str = TEXT) -> tuple[Diagnostic, ...]:
    return compile_source(Source("a.hvae", text.replace("TRAIN", train))).diagnostics


def findings(train: str) -> list[tuple[str, str]]:
    return [(item.code, item.message) for item in errors(train)]


def mended(train: str) -> hvaedsl.Program:
    """The program after the only way out of the only finding."""
    text = TEXT.replace("TRAIN", train)
    (item,) = compile_source(Source("a.hvae", text)).diagnostics
    (way,) = item.ways_out
    return hvaedsl.loads(edited(text, way.edits))


def paths(name: str) -> set[str]:
    """The blocks, and the other modules, of the parameters that a name means."""
    meant = weights().matching(name)
    return {path_of(found) if ".blocks." in found else found.rpartition(".")[0] for found in meant}


# --- what a name means


def test_a_part_is_all_that_begins_with_it_at_whole_segments() -> None:
    every = list(parameter_shapes(hvaedsl.loads(TEXT.replace("TRAIN", "")).bridge))
    for name in ("encoder", "decoder", "likelihood", "encoder.stem", "decoder.blocks.r8_0.prior", "decoder.gain"):
        meant = [found for found in every if found == name or found.startswith(f"{name}.")]
        assert meant
        assert list(weights().matching(name)) == meant
    assert weights().matching("encoder.ste") == weights().matching("decoder.blocks.r8") == ()
    assert weights().matching("encoder.blocks.r8_0.c1.weight") == ("encoder.blocks.r8_0.c1.weight",)


def test_a_stage_is_every_block_that_is_applied_there_and_the_learned_state() -> None:
    assert paths("encoder.r8") == {"encoder.blocks.r8_0", "encoder.blocks.r8_1", SHARED}
    assert paths("encoder.r4") == {SHARED}
    assert paths("decoder.r4") == {"decoder.blocks.r4_0", "decoder.states"}
    assert [found for found in weights().matching("decoder.r4") if "states" in found] == ["decoder.states.r4"]
    assert weights().matching("decoder.r2") == weights().matching("encoder.r80") == ()
    without_bias = TEXT.replace("width = 16", "width = 16  bias_up_to = 4")
    assert "decoder.states.r8" in weights().matching("decoder.r8")
    assert "decoder.states.r8" not in weights(without_bias).matching("decoder.r8")


def test_the_longest_name_wins_and_a_stage_lies_between_blocks_and_a_block() -> None:
    rates = {"encoder.blocks.r8_0": 4.0, "encoder": 1.5, "encoder.r8": 3.0, "encoder.r4": 3.0, "encoder.blocks": 2.0}
    rates |= {"encoder.blocks.r8_0.c1": 5.0}
    found = weights().factors(rates)
    assert {name: found[f"{name}.weight"] for name in ("encoder.stem", f"{SHARED}.c1", "encoder.blocks.r8_0.c1")} == {
        "encoder.stem": 1.5,
        f"{SHARED}.c1": 3.0,
        "encoder.blocks.r8_0.c1": 5.0,
    }
    assert found["encoder.blocks.r8_0.c2.bias"] == 4.0
    assert not any(name.startswith(("decoder", "likelihood")) for name in found)


# --- values


def test_the_resolved_spec_has_the_names_in_one_order() -> None:
    spec = hvaedsl.loads(TEXT.replace("TRAIN", "freeze = likelihood, encoder  rates = {decoder.r8: 0.5, decoder: 2}"))
    assert spec.spec.train.freeze == ("encoder", "likelihood")
    assert spec.spec.train.rates == {"decoder.r8": 0.5, "decoder": 2.0}
    text = spec.resolved_text()
    assert "= encoder, likelihood\n" in text
    assert "= {decoder.r8: 0.5, decoder: 2}\n" in text
    assert hvaedsl.loads(text).spec == spec.spec
    listed = hvaedsl.loads(TEXT.replace("TRAIN", "freeze = [encoder, likelihood]"))
    assert listed.spec.train.freeze == spec.spec.train.freeze
    plain = hvaedsl.loads(TEXT.replace("TRAIN", "")).spec.train
    assert (plain.freeze, plain.rates) == (None, {})


def test_the_list_of_the_base_and_options(tmp_path: Path) -> None:
    (tmp_path / "base.hvae").write_text(TEXT.replace("TRAIN", "freeze = encoder.stem"))
    child = 'hvae 1\nextends "base.hvae"\ntrain { freeze = $base, likelihood }\n'
    found = hvaedsl.loads(child, path=tmp_path / "child.hvae")
    assert found.spec.train.freeze == ("encoder.stem", "likelihood")
    sets = {"train.freeze": "$base, decoder.r4", "train.rates": {"decoder.r8": 0.5}}
    found = hvaedsl.loads(child, path=tmp_path / "child.hvae", sets=sets)
    assert found.spec.train.freeze == ("decoder.r4", "encoder.stem", "likelihood")
    assert found.spec.train.rates == {"decoder.r8": 0.5}


@pytest.mark.parametrize(
    ("train", "code", "at"),
    [
        ("freeze = 3", "HV204", "3"),
        ('freeze = "encoder.stem"', "HV204", '"encoder.stem"'),
        ("freeze = encoder, encoder", "HV216", "encoder"),
        ("rates = {encoder: 0}", "HV205", "0"),
        ("rates = {encoder: -1}", "HV205", "-1"),
        ("rates = {8: 1}", "HV204", "8"),
        ("rates = encoder", "HV204", "encoder"),
        ("rates = {encoder: 1, encoder: 2}", "HV216", "encoder"),
        ("freeze = encoder.stm", "HV251", "encoder.stm"),
        ("rates = {decoder: 1, encoder.r2: 0.5}", "HV251", "encoder.r2"),
    ],
)
def test_a_wrong_value_is_one_located_error(train: str, code: str, at: str) -> None:
    (item,) = errors(train)
    assert (item.code, item.span.text) == (code, at)


# --- names that do not fit


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("encodr.stem", "encoder.stem"),
        ("encoder.stm", "encoder.stem"),
        ("stem", "encoder.stem"),
        ("decoder.r8_0", "decoder.blocks.r8_0"),
        ("encoder.blocks.r8_9", "encoder.blocks.r8_2"),
        ("decoder.blocks.r4_0.prio.c1", "decoder.blocks.r4_0.prior.c1"),
        ("likelyhood", "likelihood"),
    ],
)
def test_a_name_that_means_nothing_is_an_error_with_the_nearest_one(written: str, near: str) -> None:
    message = f"`{written}` in `train.freeze` names no weights of this model"
    assert findings(f"freeze = {written}") == [("HV251", message)]
    assert mended(f"freeze = {written}").spec.train.freeze == (near,)
    assert mended(f"rates = {{{written}: 0.5}}").spec.train.rates == {near: 0.5}


def test_a_name_like_no_other_is_an_error_with_those_that_there_are() -> None:
    (item,) = errors("freeze = decoder.xyzzy")
    assert item.help_text.startswith("the names in `decoder` are `decoder.states`, ")


def test_shared_weights_are_named_at_all_resolutions() -> None:
    assert findings("freeze = encoder.r8") == [("HV404", "`encoder.r8` has weights that are also applied at 4")]
    assert mended("freeze = encoder.r8").spec.train.freeze == ("encoder.r4", "encoder.r8")
    assert mended("rates = {encoder.r4: 0.5}").spec.train.rates == {"encoder.r4": 0.5, "encoder.r8": 0.5}
    for covered in ("encoder.r8, encoder.r4", "encoder.r8, encoder", f"encoder.r4, {SHARED}"):
        assert findings(f"freeze = {covered}") == []
    for covered in (f"encoder.r8: 1, {SHARED}: 2", "encoder.r8: 1, encoder.r4: 1"):
        assert findings(f"rates = {{{covered}}}") == []
    assert [code for code, _ in findings("rates = {encoder.r8: 1, encoder: 2}")] == ["HV404"]  # the stage is longer
    parts = ", ".join(f"{SHARED}.c{number}" for number in (1, 2, 3))
    assert [code for code, _ in findings(f"freeze = encoder.r4, {parts}")] == ["HV404"]
    assert findings(f"freeze = encoder.r4, {parts}, {SHARED}.c4") == []


def test_shared_weights_have_one_rate() -> None:
    train = "rates = {encoder.r8: 0.5, encoder.r4: 0.1}"
    assert findings(train) == [("HV405", f"`{SHARED}` is applied at 8 and 4, which have different rates")]
    assert mended(train).spec.train.rates[SHARED] == 0.5


def test_frozen_weights_have_no_rate() -> None:
    train = "freeze = encoder  rates = {encoder.stem: 0.1, decoder: 2}"
    assert findings(train) == [("HV252", "`encoder.stem` has a rate, and its weights are frozen")]
    assert mended(train).spec.train.rates == {"decoder": 2.0}
    assert mended("freeze = encoder  rates = {encoder: 0.1}").spec.train.rates == {}
    assert findings("freeze = encoder.stem  rates = {encoder: 0.1}") == []  # of the other weights


def test_something_is_trained() -> None:
    assert findings("freeze = encoder, decoder, likelihood") == [("HV253", "`freeze` leaves no weights to train")]
    unread = TEXT.replace("4x1, 8m4, 8x1", "8x1")  # the encoder's block at 4 gets no gradient
    train = "freeze = encoder.stem, encoder.blocks.r8_0, decoder, likelihood"
    assert [item.code for item in errors(train, unread.replace("8x2, 8d2@g, 4x1@g", "8x1, 8d2, 4x1"))] == ["HV253"]


def test_all_mistakes_are_told_at_once() -> None:
    train = "freeze = encoder.stm, encoder.r8  rates = {decodr: 2, decoder.r1: 1}"
    assert [code for code, _ in findings(train)] == ["HV251", "HV404", "HV251", "HV251"]


def test_nothing_is_said_where_the_block_lists_are_wrong() -> None:
    text = TEXT.replace("TRAIN", "freeze = decoder.r16").replace("8m4, 8x1", "8m4, 8q1")
    assert [item.code for item in compile_source(Source("a.hvae", text)).diagnostics] == ["HV112"]


# --- custom parts


def test_names_inside_a_custom_part_are_left_to_the_module() -> None:
    custom = TEXT.replace("width = 16", 'width = 16  cell = "parts:Cell"  likelihood = "parts:Likelihood"')
    for names in (
        "decoder.blocks.r8_0.any.0",
        "likelihood",
        "likelihood.scale",
        "decoder.blocks.r8_0",
        "decoder.r8",
    ):
        assert hvaedsl.loads(custom.replace("TRAIN", f"freeze = {names}")).spec.train.freeze == (names,)
    (item,) = compile_source(Source("a.hvae", custom.replace("TRAIN", "freeze = decoder.blocks.r8_7"))).diagnostics
    assert item.code == "HV251"
    whole = custom.replace("TRAIN", "freeze = encoder, decoder, likelihood.scale")
    program = hvaedsl.loads(whole)
    known = list(parameter_shapes(program.bridge))
    with pytest.raises(hvaedsl.SpecError, match="names no weights"):
        program.chosen_weights([*known, "likelihood.shift"])
    assert "likelihood.scale" in program.chosen_weights([*known, "likelihood.shift", "likelihood.scale"]).frozen
