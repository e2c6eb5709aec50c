"""Where the advice is given, where it is not, and that what it proposes helps."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import Diagnostic, edited
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.shipped import shipped
from tests.rules.advice import RUN, compiled, found, of_cifar, text


def mended(source: str, advice: Iterable[Diagnostic]) -> str:
    """The source with the safe fixes."""
    fixes = [item.fix for item in advice if item.fix is not None and item.fix.safe]
    return edited(source, [edit for fix in fixes for edit in fix.edits])


# --- a resolution that no decoder block reads (HV506)


def test_a_level_that_is_left_out() -> None:
    encoder = "8x2, 8d2, 4x1, 4d2, 2x1"
    assert found(encoder, "2x1, 8m2, 8x2") == [("HV506", "4x1")]
    assert found(encoder, "2x1, 4m2, 8m4, 8x2") == []
    assert found(encoder, "2x1, 8m2, 8x2", model="skips = none") == []
    (advice,) = compiled(encoder, "2x1, 8m2, 8x2").advice
    assert advice.help_text == "write `4m2, 8m4` instead of `8m2`"
    (label,) = advice.secondary
    assert (label.span.text, label.text) == ("8m2", "passes over 4")


@pytest.mark.parametrize("written", ["8m$k", "8m($k)", "8m(4/$k)", "8m(3 - $k/2)"])
def test_the_entry_that_passes_over_a_level_is_quoted_with_its_numbers(written: str) -> None:
    text = spec(encoder="8x2, 8d2, 4x1, 4d2, 2x1", decoder=f"2x1, {written}, 8x2")
    (advice,) = hvaedsl.loads(text.replace("hvae 1", "hvae 1\nlet k = 2", 1)).advice
    assert advice.help_text == "write `4m2, 8m4` instead of `8m2`"
    assert [label.span.text for label in advice.secondary] == [written]


def test_a_level_below_the_decoder_is_hv501s() -> None:
    assert [code for code, _ in found("8x1, 8d2, 4x1, 4d2, 2x1", "4x1, 8m4")] == ["HV501"]


def test_several_levels_and_no_mix_in_to_replace() -> None:
    encoder = "8x1, 8d2, 4x1, 4d2, 2x1, 2d2, 1x1"
    first, second = compiled(encoder, "1x1, 8m1, 8x1").advice
    assert (first.span.text, second.span.text) == ("4x1", "2x1")
    assert second.help_text == "write `2m1, 8m2` instead of `8m1`"


# --- depth (HV507)


@pytest.mark.parametrize(
    ("encoder", "decoder", "expected"),
    [
        ("8x8, 8d2, 4x1", "4x1, 8m4, 8x2", ["HV507"]),  # 10 and 4
        ("8x8, 8d2, 4x1", "4x1, 8m4, 8x3", []),  # 10 and 5: just half
        ("8x7, 8d2, 4x1", "4x1, 8m4, 8x1", []),  # 9: not deep
        ("8r8, 8d2, 4x1", "4x1, 8m4, 8x2", ["HV507"]),  # applications count, not weights
        ("8x2, 8d2, 4x1, 4d2, 2x20", "4x1, 8m4, 8x1", ["HV501"]),  # what nothing reads does not count
    ],
)
def test_depths(encoder: str, decoder: str, expected: list[str]) -> None:
    assert [code for code, _ in found(encoder, decoder)] == expected


# --- repetitions (HV508, HV509, HV510)


def test_many_applications() -> None:
    assert found(decoder="4r20, 8m4, 8x2") == []
    expected = [("HV508", entry) for entry in ("4r21", "8r25", "8r30")]
    assert found(decoder="4r21, 8m4, 3*8r25, 8r30@g") == expected
    assert found(decoder="4x1, 8m4, 8x48") == []


def test_a_constant_is_one_cause() -> None:
    program = compiled("8r$n, 8d2, 4r$n", "4r$n, 8m4, 8r$n", more="let n = 30")
    (advice,) = program.advice
    assert (advice.code, advice.span.text) == ("HV508", "8r$n")
    assert advice.message == "one set of weights is applied 30 times"
    assert advice.label_text == "in this entry and 3 more with `$n`"
    assert advice.help_text == "set `$n` to at most 20"


@pytest.mark.parametrize(
    ("decoder", "count", "first"),
    [
        ("4x1, 8m4, 30*8r1@g", 30, "8r1"),
        ("4r20@g, 8m4@g, 8r2", 21, "4r20"),
        ("4x1, 8m4, 8r25@g, 8r1@g", 26, "8r25"),
    ],
)
def test_the_applications_of_a_label_are_added_up(decoder: str, count: int, first: str) -> None:
    (advice,) = compiled(decoder=decoder).advice
    assert (advice.code, advice.span.text) == ("HV508", first)
    assert advice.message == f"one set of weights is applied {count} times"
    assert advice.label_text == "the first entry labeled `@g`"
    assert "another label for the rest" in advice.help_text


def test_a_label_of_each_pass_is_a_set_of_its_own() -> None:
    assert found("8r15@g, 8d2, 4x1", "4x1, 8m4, 8r15@g, 8x2") == []


@pytest.mark.parametrize("decoder", ["4r1, 8m4, 8x2", "4x1, 8m4, 2*8r1", "4x1, 8m4, 2*(8r1, 8r2)"])
def test_a_repetition_of_one(decoder: str) -> None:
    (code, entry) = found(decoder=decoder)[0]
    assert (code, entry[1:]) == ("HV509", "r1")


@pytest.mark.parametrize("decoder", ["4r$n, 8m4, 8r$n", "4r1@g, 8m4, 3*8r1@h", "4x1, 8m4, 8r2, 8r2", "4, 8m4, 8"])
def test_repetitions_that_are_as_they_should_be(decoder: str) -> None:
    assert found(decoder=decoder, more="let n = 1") == []


@pytest.mark.parametrize(
    ("decoder", "expected"),
    [
        ("4x1, 8m4, 8x1, 8x1", ["8x1, 8x1"]),
        ("4, 4x2,4, 8m4, 8x1", ["4, 4x2,4"]),
        ("4x1, 4x1, 8m4, 8x1, 8x2", ["4x1, 4x1", "8x1, 8x2"]),
        ("4x1, 8m4, 2*(8x1, 8x1)", ["8x1, 8x1"]),
        ("4x1, 8m4, 8x1,\n    8x1", ["8x1,\n    8x1"]),
        ("4x1, 8m4, 8x1,  # the first\n    8x1", []),
        ("4x1, 8m4, (8x1), 8x1", []),
        ("4x1, 8m4, 8x$n, 8x1", []),
        ("4x1, 8m4, 8x1@g, 8x1@g", []),
        ("4x1, 8m4, 8x1, 8r2, 8x1", []),
        ("4x1, 8m4, 2*8x1, 8x1", []),
    ],
)
def test_neighbours(decoder: str, expected: list[str]) -> None:
    assert found(decoder=decoder, more="let n = 1") == [("HV510", place) for place in expected]


@pytest.mark.parametrize(
    "decoder",
    ["4r1, 8m4, 2*(8r1, 8r2)", "4, 4x2,4, 8m4, 2*(8x1, 8x1), 8x1,\n 8x3", "4x1, 8m4, 8r1, 8r1"],
)
def test_what_is_mended_is_the_same_model(decoder: str) -> None:
    source = text(decoder=decoder)
    program = hvaedsl.loads(source)
    again = hvaedsl.loads(mended(source, program.advice))
    assert program.advice
    assert again.bridge == program.bridge
    assert {item.code for item in again.advice} <= {"HV510"}  # two mended `r1` are neighbours now


@pytest.mark.parametrize(
    ("model", "expected"),
    [("widths = {2: 32}", "{}"), ("widths = {2: 32, 4: 24}", "{4: 24}"), ("widths = {4: 24, 2: 32, 1: 64}", "{4: 24}")],
)
def test_a_width_that_is_not_in_use_is_taken_out(model: str, expected: str) -> None:
    source = text(model=model)
    program = hvaedsl.loads(source)
    again = mended(source, program.advice)
    assert f"widths = {expected}\n" in again
    assert hvaedsl.loads(again).bridge == program.bridge
    assert hvaedsl.loads(again).advice == ()


def test_a_map_over_several_lines_is_left_to_the_user() -> None:
    (advice,) = compiled(model="widths = {\n 2: 32  # later\n }").advice
    assert (advice.code, advice.fix) == ("HV502", None)


# --- the bottleneck (HV511)


def test_a_narrow_bottleneck() -> None:
    assert found(width=15) == [("HV511", "15")]
    assert found(width=16) == []
    assert found(width=64, model="bottleneck = 0.05") == [("HV511", "0.05")]
    assert found(width=8, model="widths = {4: 32}") == [("HV511", "8")]
    (advice,) = compiled(width=3).advice
    assert advice.help_text == "use a width of at least 16"


def test_the_proposed_bottleneck_is_enough() -> None:
    for width in range(4, 16):
        (advice,) = compiled(width=width).advice
        proposal = advice.help_text.split("`")[1].split(" = ")[1]
        assert hvaedsl.loads(text(width=width), sets={"model.bottleneck": proposal}).advice == ()


# --- training (HV602, HV603)


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ("clip_norm = 200  skip_above = 200", []),
        ("clip_norm = 200  skip_above = 199", [("HV602", "199")]),
        ("skip_above = 150", [("HV602", "150")]),  # the clip is 200 where nothing is said
        ("clip_norm = none  skip_above = 150", []),
    ],
)
def test_the_skip_threshold_and_the_clip(train: str, expected: list[tuple[str, str]]) -> None:
    assert found(train=train) == expected


def test_a_threshold_is_proposed_for_the_largest_clip() -> None:
    (advice,) = compiled(train="clip_norm = 1e308  skip_above = 1").advice
    (proposed,) = re.findall(r"`skip_above = (.*?)`", advice.help_text)
    assert 0 < float(proposed) < float("inf")


def test_a_deep_model_without_a_threshold() -> None:
    deep, shallow = "4x1, 8m4, 8x99", "4x1, 8m4, 8x98"
    assert found(decoder=deep, train=RUN) == [("HV603", deep)]
    assert found(decoder=deep, train=f"{RUN} skip_above = none") == [("HV603", "none")]
    assert found(decoder=deep) == []  # nothing is trained
    assert found(decoder=deep, train=f"{RUN} skip_above = 2500") == []
    assert found(decoder=shallow, train=RUN) == []


def test_a_default_that_is_too_slow_is_told_at_the_steps() -> None:
    (advice,) = compiled(train="steps = 100  batch_size = 4  learning_rate = 1e-3").advice
    assert (advice.code, advice.span.text, advice.fix) == ("HV601", "100", None)
    assert "an `ema_decay` of at most 0.9 " in advice.help_text


@pytest.mark.parametrize("setting", ["", "ema_decay = 0.9"])
@pytest.mark.parametrize("steps", [1, 10, 19])
def test_a_run_too_short_for_any_average_needs_more_steps_or_none(steps: int, setting: str) -> None:
    train = f"steps = {steps}  batch_size = 4  learning_rate = 1e-3"
    (advice,) = compiled(train=f"{train}  {setting}").advice
    assert (advice.code, advice.fix) == ("HV601", None)
    assert advice.help_text.startswith("train for more steps, or set `ema_decay = 0`")
    assert not compiled(train=f"{train}  ema_decay = 0").advice


def test_a_short_run_takes_a_faster_average() -> None:
    assert of_cifar("steps = 2000  batch_size = 16  learning_rate = 2e-4  ema_decay = 0.99") == []


def test_other_data_has_no_published_settings() -> None:
    assert found(train="steps = 100k  batch_size = 4000  learning_rate = 1  ema_decay = 0.5") == []


# --- memory (HV605)

LARGE = {"train.gpu_memory": 8, "train.batch_size": 64, "train.micro_batch": 64}


@pytest.mark.parametrize("more", [{}, {"train.precision": "bfloat16"}, {"train.recompute_every": 100}])
def test_what_is_proposed_fits(more: dict[str, object]) -> None:
    sets = {**LARGE, **more}
    (advice,) = hvaedsl.load("cifar_ws.hvae", sets=sets).advice
    assert advice.code == "HV605"
    ways = [way.split("`")[1].split(" = ") for way in advice.help_text.split(", or ")]
    assert ways
    for key, value in ways:
        assert hvaedsl.load("cifar_ws.hvae", sets={**sets, f"train.{key}": value}).advice == ()


def test_a_batch_and_checkpoints_together() -> None:
    sets = {"train.gpu_memory": 1.5, "train.batch_size": 64, "train.micro_batch": 64}
    (advice,) = hvaedsl.load("cifar_ws.hvae", sets=sets).advice
    _, batch, _, every, _ = advice.help_text.split("`")
    proposed = dict(f"train.{way}".split(" = ") for way in (batch, every))
    assert set(proposed) == {"train.micro_batch", "train.recompute_every"}
    assert hvaedsl.load("cifar_ws.hvae", sets={**sets, **proposed}).advice == ()


def test_weights_alone_can_be_too_much() -> None:
    (advice,) = hvaedsl.load("cifar_ws.hvae", sets={"train.gpu_memory": 0.5}).advice
    assert advice.help_text.startswith("not even one image fits: weights and optimizer state take 0.729 GiB")


@pytest.mark.parametrize(("gib", "codes"), [("1e308", []), ("1e-320", ["HV605"])])
def test_any_finite_memory_is_compared(gib: str, codes: list[str]) -> None:
    assert [item.code for item in hvaedsl.load("digits.hvae", sets={"train.gpu_memory": gib}).advice] == codes


def test_the_weights_are_twenty_bytes_a_parameter() -> None:
    program = hvaedsl.load("digits.hvae", sets={"train.batch_size": 1})
    needed = 20 * program.cost.parameters + program.cost.activation_bytes(1)
    for spare, codes in ((1, []), (-1, ["HV605"])):
        gib = (needed + spare * 1024) / 2**30
        sets = {"train.batch_size": 1, "train.gpu_memory": gib}
        assert [item.code for item in hvaedsl.load("digits.hvae", sets=sets).advice] == codes


# --- what is published


@pytest.mark.parametrize("name", ["mnist_r", "mnist_x", "cifar_r", "cifar_x"])
@pytest.mark.parametrize("count", [1, 20])
def test_the_small_scale_family_is_clean(name: str, count: int) -> None:
    assert hvaedsl.load(f"{name}.hvae", lets={"n": count}).advice == ()


def test_every_shipped_spec_is_clean() -> None:
    """The ablations that are advised against say so themselves, in `ignore[...]`."""
    paths = [path for path in shipped("specs").rglob("*.hvae") if path.stem != "vdvae"]
    assert paths
    assert {path.stem: hvaedsl.load(path).advice for path in paths if hvaedsl.load(path).advice} == {}


def test_no_latent_is_proposed_where_synchronous_counts_would_break() -> None:
    """Where a resolution draws, encoder and decoder have to apply equal numbers of blocks."""
    maps = "latent = {8: 4, 4: 0}"
    for decoder, proposes in (("4x2, 8m4, 8x1", True), ("4x3, 8m4, 8x1", False)):
        program = hvaedsl.loads(f"""hvae 1 data {{ dataset = npy channels = 1 resolution = 8 }}
            model {{ width = 16 {maps} processing = synchronous encoder = 8x1, 8d2, 4x2 decoder = {decoder} }}""")
        (advice,) = [item for item in program.advice if item.code == "HV501"]
        assert bool(advice.suggestions) is proposes, decoder
