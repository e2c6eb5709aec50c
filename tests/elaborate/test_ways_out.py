"""Mistakes of users who know other tools: what each message says, and that its fix compiles."""

from __future__ import annotations

from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import edited
from hvaedsl.diagnostics.span import Source
from hvaedsl.program import compile_source
from tests.elaborate.small_specs import errors, fixed, only, spec


@pytest.mark.parametrize(
    ("text", "code", "help_text", "becomes"),
    [
        (spec(model="widths = {4: 32.0}"), "HV204", "write `32`", "{4: 32}"),
        (spec(model='widths = "4:32"'), "HV204", "write `{4: 32}`", "widths = {4: 32}"),
        (spec(model='widths = "4: 32, 2:8"'), "HV204", "write `{4: 32, 2: 8}`", "widths = {4: 32, 2: 8}"),
        (spec(train="steps = 1e6"), "HV204", "write `1000000`", "steps = 1000000"),
        (spec(train="steps = 1 000 000"), "HV110", "write `1000000`", "steps = 1000000"),
        (spec(train="steps = 12'500"), "HV110", "write `12500`", "steps = 12500"),
        (spec(train="steps = 1.000.000"), "HV110", "write `1000000`", "steps = 1000000"),
        (spec().replace("width = 16", "width = 1 024"), "HV110", "write `1024`", "width = 1024"),
        (spec(train="steps = 16.0"), "HV204", "write `16`", "steps = 16"),
        (spec(train="steps = 4 epoch"), "HV101", "write `epochs`", "steps = 4 epochs"),
        (spec(train="steps = 4 Epochs"), "HV101", "write `epochs`", "steps = 4 epochs"),
        (spec(train="steps = 20epochs"), "HV204", "write `20 epochs`", "steps = 20 epochs"),
        (spec(train="clip_norm = off"), "HV204", "write `none`", "clip_norm = none"),
        (spec(train="freeze = encoder.*"), "HV101", "write `encoder`, which names all", "freeze = encoder "),
        (spec(train="freeze = likelihood, decoder.blocks.*"), "HV101", "`decoder.blocks`,", "ood, decoder.blocks "),
        (spec(train="rates = {encoder.*: 0.1}"), "HV101", "write `encoder`,", "rates = {encoder: 0.1}"),
        (spec(train='freeze = "encoder.*"'), "HV204", "write `encoder`, which names all", "freeze = encoder "),
        (spec(train="betas = (0.9, 0.99)"), "HV204", "write `0.9, 0.99`, without parentheses", "betas = 0.9, 0.99"),
        (spec(resolution="8x8"), "HV204", "write `8`", "resolution = 8"),
        (spec(resolution="8x12"), "HV204", "write `(8, 12)`", "resolution = (8, 12)"),
        (spec(resolution='"8 x 12"'), "HV204", "write `(8, 12)`", "resolution = (8, 12)"),
        (spec(model="cell = VDVAE"), "HV206", "did you mean `vdvae`? ", "cell = vdvae"),
        (spec(model="Bottleneck = 0.5"), "HV201", "did you mean `bottleneck`?", "bottleneck = 0.5"),
        (spec(train="steps = 10K"), "HV110", "write `10k`", "steps = 10k"),
        (spec("8X2, 8d2, 4x1"), "HV110", "write `8x2`", "encoder = 8x2"),
        (spec(model="fourier.at = block  bias_up_to = 4"), "HV127", "fourier { at = block }", "} bias_up_to = 4"),
        (spec("4x1, 8m4, 8x2", "8x2, 8d2, 4x1"), "HV320", "under the other key", "encoder = 8x2, 8d2, 4x1\n"),
        (spec(sample="temperature = 8:0.7"), "HV101", "a map has braces: `{8:0.7}`", "temperature = {8:0.7}"),
        (spec(model="bottleneck 0.5"), "HV101", "write `bottleneck = 0.5`", "k = 0.5"),
        (spec().replace("hvae 1", "hvae1", 1), "HV101", "write `hvae 1`", "hvae 1\n"),
        (spec("8x2, 8d3, 4x1"), "HV303", "write `8d2` to reach 4", "8x2, 8d2, 4x1"),
        (spec("4x1"), "HV301", "start with a block at 8 that pools: `8d2`", "encoder = 8d2, 4x1"),
        (spec("8*2, 8d2, 4x1"), "HV301", "`8*2` is 8 blocks at 2; write `8x2` for blocks at 8", "= 8x2, 8d2, 4x1"),
        (spec("8x1, 8d2, 4*2"), "HV302", "`4*2` is 4 blocks at 2; write `4x2` for blocks at 4", "8d2, 4x2"),
        (spec("8x2, 2*(4x1)"), "HV302", "pool before it: `8d2`", "8x2, 8d2, 2*(4x1)"),
        (spec(decoder="4x1, 8m3, 8x2"), "HV307", "write `8m4`", "4x1, 8m4, 8x2"),
        (spec(model="widths = {8: 3, 4: 32}"), "HV311", "remove this entry", "widths = {4: 32}"),
        (spec(model='cell = "./parts/cells.py:Mine"'), "HV219", 'write `"parts.cells:Mine"`', '"parts.cells:Mine"'),
        (spec(model="likelihood = mixture_of_logistic"), "HV206", "did you mean `mixture_of_logistics(10)`?", "(10)"),
        (spec(model="pooling = wavlet(haar)"), "HV206", "did you mean `wavelet(haar)`?", "pooling = wavelet(haar)"),
        (spec() + "width = 3\n", "HV202", "`model` has this key; remove it here", "sample {  }\n"),
        (spec() + "widhts = {4: 32}\n", "HV202", "did you mean `widths` in `model`?", "widths = {4: 32}\n"),
        (spec() + "betas = 0.9, 0.99\n", "HV202", "move it into `train { ... }`", "train { betas = 0.9, 0.99"),
        (spec() + "model.skips = all\n", "HV127", "write `skips = all` inside the section `model`", "  skips = all\n"),
    ],
)
def test_a_fix_writes_what_was_meant(text: str, code: str, help_text: str, becomes: str) -> None:
    finding = only(text)
    assert finding.code == code
    assert help_text in finding.help_text
    after = fixed(text, finding)
    assert becomes in after.replace("  bias", " bias")
    assert errors(after) == []


@pytest.mark.parametrize(
    ("text", "code", "help_text"),
    [
        (spec(train="gpu_memory = 24G"), "HV110", "a number of GiB"),
        (spec(model="widths = 1G"), "HV110", "`k` (1,000) and `M` (1,000,000)"),
        (spec(train="steps = 2.5 epochs"), "HV101", "epochs are whole"),
        (spec(train="betas = 0.9"), "HV204", "write for example `0.9, 0.999`"),
        (spec(train="rates = {encoder: 0}"), "HV205", "`train.freeze` names weights that are not trained"),
        (spec(sample="channels = rgb"), "HV204", "write for example `0, 1, 2`"),
        (spec(model="widths = 32"), "HV204", "write for example `{4: 32}`"),
        (spec(decoder="4x1, 8m4, 8x2, 16m8, 16x1", encoder="8x2, 8d2, 4x1"), "HV305", "8 and 4"),
        (spec().replace("hvae 1", "hvae 1\nlet 2n = 3", 1), "HV101", "a name starts with a letter"),
        (spec(decoder="4x1, 8m4, 8x2@g$n"), "HV101", "a label is a plain name, without constants"),
        (spec("2*(8x1, 8d2, 4x1)"), "HV302", "an encoder never goes up"),
        (spec() + "[train.kl]\nfree_nats = 0.1", "HV101", "write `kl { ... }` inside `train { ... }`"),
        (spec() + "[model.fourier.at]", "HV101", "write `at { ... }` inside `model { fourier { ... } }`"),
        (spec() + "[[train]]\nsteps = 1", "HV101", "write `train { ... }`"),
        (spec().replace("width = 16", "width = 4²"), "HV102", "a power is a product, as in `4*4`"),
        (spec(train="learning_rate = ½"), "HV102", "write the number in ASCII digits"),
        (spec().replace('path = "x"', "path = $HOME/x"), "HV204", "and the value of the variable in its place"),
        (spec("8x2 8 100, 8d2, 4x1"), "HV101", "separate the values of a list with commas"),
    ],
)
def test_a_help_names_the_form(text: str, code: str, help_text: str) -> None:
    finding = only(text)
    assert (finding.code, help_text in finding.help_text) == (code, True), finding.help_text


@pytest.mark.parametrize(
    ("resolution", "encoder", "decoder", "way_out", "complete"),
    [
        ("32", "32x2, 32d2, 16x1", "16x1", "end with blocks at 32, such as `32m16, 32x1`", "16x1, 32m16, 32x1"),
        ("9", "9x1, 9d3, 3x1", "3x1", "`9m3, 9x1`", "3x1, 9m3, 9x1"),
    ],
)
def test_where_the_decoder_ends(resolution: str, encoder: str, decoder: str, way_out: str, complete: str) -> None:
    finding = only(spec(encoder, decoder, resolution=resolution))
    assert finding.code == "HV309"
    assert way_out in finding.help_text
    assert errors(spec(encoder, complete, resolution=resolution)) == []


def test_a_resolution_that_does_not_divide_the_image_is_not_mixed_in() -> None:
    finding = only(spec("32x2, 32d2, 16x1", "16x1, 23x1", resolution="32", model="skips = none"))
    assert finding.help_text == "end with blocks at 32, such as `32m16, 32x1`"
    assert errors(spec("32x2, 32d2, 16x1", "16x1, 23x1, 32m16, 32x1", resolution="32", model="skips = none")) == []


def test_a_decoder_that_ends_above_the_image_has_entries_to_remove() -> None:
    found = errors(spec(decoder="4x1, 8m4, 8x2, 16m8, 16x1", model="skips = none"))
    assert [item.help_text for item in found if item.code == "HV309"] == ["remove the entries above 8"]


def test_a_mix_in_is_proposed_only_from_a_divisor() -> None:
    found = errors(spec("9x1, 9d3, 3x1", "3x1, 9m9, 9x1", resolution="9"))
    assert [item.code for item in found] == ["HV306"]
    assert "`9m3`" in found[0].help_text


SWAPPED = spec("1x1,2m1,4m2,8m4,8x3", "8x3,8d2,4x1,4d2,2x1,2d2,1x1")


@pytest.mark.parametrize(
    ("text", "code", "titles"),
    [
        (spec("8x, 8d2, 4x1"), "HV113", ["write `8x2`"]),
        (spec("8x@g, 8x1@g, 8d2, 4x1"), "HV113", ["write `8x1`"]),
        (spec(decoder="4x1, 8m, 8x2"), "HV113", ["write `8m4`"]),
        (spec(model="pooling = wavelet(db3)"), "HV226", ["write `wavelet(haar)`", "write `wavelet(db2)`"]),
        (spec(decoder="8m4, 8x2"), "HV308", ["insert `4x1` before it"]),
        (spec(decoder="4x1"), "HV309", ["end with `8m4, 8x1`"]),
        (spec().replace("latent = 4", ""), "HV207", ["add what is missing"]),
        (spec(model="bias_up_to = $nope"), "HV208", ["define it at the top level: `let nope = 2`"]),
        (spec(decoder="4x1, 8m$nope, 8x2"), "HV208", ["define it at the top level: `let nope = 4`"]),
        (spec().replace("hvae 1", "hvae 2"), "HV106", ["write `hvae 1`"]),
        (spec().replace("train {  }", "train { betas = 0.9 }"), "HV204", ["write `0.9, 0.999`"]),
    ],
)
def test_examples_and_choices_are_suggestions_that_compile(text: str, code: str, titles: list[str]) -> None:
    finding = only(text)
    assert (finding.code, finding.fix, [way.title for way in finding.suggestions]) == (code, None, titles)
    for way in finding.suggestions:
        assert errors(edited(text, way.edits)) == [], way.title


@pytest.mark.parametrize(
    ("text", "code", "becomes"),
    [
        (spec("8 x 2@g, 8x1@g, 8d2, 4x1"), "HV402", "8r2@g, 8x1@g, 8d2, 4x1"),
        (
            spec(model="bias_up_to = ${nope}").replace("hvae 1", "hvae 1\nlet nopes = 2"),
            "HV208",
            "bias_up_to = $nopes\n",
        ),
    ],
)
def test_a_fix_inside_a_respelled_word_respells_it_too(text: str, code: str, becomes: str) -> None:
    """The parser reads `8x2` where the text has `8 x 2`."""
    (finding,) = (item for item in errors(text) if item.code == code)
    assert becomes in fixed(text, finding)
    assert errors(fixed(text, finding)) == []


def test_a_section_in_another_one_is_moved_out_of_it() -> None:
    text = spec(model="paper { depth = 3 }")
    finding = only(text)
    assert finding.help_text == "move it out of `model`"
    assert "}\npaper { depth = 3 }\n" in fixed(text, finding)
    assert errors(fixed(text, finding)) == []


def test_swapped_block_lists_are_one_finding() -> None:
    finding = only(SWAPPED)
    assert finding.code == "HV320"
    assert errors(fixed(SWAPPED, finding)) == []


@pytest.mark.parametrize("decoder", ["4x1, 8m4, 8x2", "8x2, 4x1"])
def test_a_wrong_encoder_alone_is_not_called_swapped(decoder: str) -> None:
    assert "HV320" not in [item.code for item in errors(spec("4x1, 8m4, 8x2", decoder))]


def test_sections_in_capitals_are_recognized() -> None:
    text = spec().replace("train {", "TRAIN {")
    finding = only(text)
    assert "did you mean `train`?" in finding.help_text
    assert errors(fixed(text, finding)) == []


@pytest.mark.parametrize(("target", "near"), [("cifr.hvae", "cifar.hvae"), ("cifar_ws", "cifar_ws.hvae")])
def test_a_base_with_a_similar_name_is_proposed(target: str, near: str) -> None:
    text = f'hvae 1\nextends "{target}"\n'
    finding = only(text)
    assert finding.help_text == f'did you mean `"{near}"`?'
    assert errors(fixed(text, finding)) == []


def test_a_base_beside_the_spec_is_proposed(tmp_path: Path) -> None:
    (tmp_path / "my_base.hvae").write_text(spec())
    child = tmp_path / "child.hvae"
    child.write_text('hvae 1\nextends "mybase.hvae"\n')
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.load(child)
    assert caught.value.diagnostics[0].help_text == 'did you mean `"my_base.hvae"`?'


@pytest.mark.parametrize(
    ("option", "value", "code", "message", "help_text"),
    [
        (
            "train.steps",
            "2,train.batch_size=4",
            "HV127",
            "`train.batch_size` is not a key",
            "write `--set train.steps=2 --set train.batch_size=4`",
        ),
        (
            "model.encoder",
            "8x1, 4x1; width = 8",
            "HV127",
            "`width` is not a key",
            "write `--set 'model.encoder=8x1, 4x1' --set model.width=8`",
        ),
        ("train.steps", "2,x=4", "HV127", "`x` is not a key", "give `--set` once for each name"),
        (
            "train",
            "{steps=3, batch_size: 4}",
            "HV218",
            "unknown key `train` for `--set`",
            "name a key in it: write `--set train.steps=3 --set train.batch_size=4`",
        ),
        ("train.kl", "{free_nats=1}", "HV218", "unknown key `train.kl` for `--set`", None),
        (
            "train",
            "{x=3}",
            "HV218",
            "unknown key `train` for `--set`",
            "name a key in it: write `--set train.steps=...`",
        ),
    ],
)
def test_an_option_for_several_keys_gets_an_option_for_each(
    option: str, value: str, code: str, message: str, help_text: str | None
) -> None:
    (finding,) = compile_source(Source("spec", spec()), sets={option: value}).diagnostics
    assert (finding.code, finding.message) == (code, message)
    assert help_text is None or finding.help_text == help_text


def test_a_let_for_several_constants_gets_one_for_each() -> None:
    text = spec().replace("hvae 1", "hvae 1\nlet n = 1")
    (finding,) = compile_source(Source("spec", text), lets={"n": "2,m=3"}).diagnostics
    assert finding.help_text == "write `--let n=2 --let m=3`"


def test_a_named_argument_and_a_path_are_no_further_keys() -> None:
    sets = {"model.likelihood": "mixture_of_logistics(10, bits = 5)", "data.path": "a, b=3"}
    assert compile_source(Source("spec", spec()), sets=sets).program is not None


@pytest.mark.parametrize(
    ("train", "titles"),
    [
        ("steps = 1,000,000", ["write `1000000`", "write `1M`"]),
        ("steps = 250,000", ["write `250000`", "write `250k`"]),
        ("batch_size = 1,024", ["write `1024`"]),
        ("skip_above = 1,000", ["write `1000`"]),
        ("learning_rate = 0,001", ["write `0.001`"]),
        ("learning_rate = 1,5e-3", ["write `1.5e-3`"]),
        ("learning_rate = 1.e-4", ["write `1e-4`"]),
        ("learning_rate = 1.E+4", ["write `1E+4`"]),
        ("steps = 5.", ["write `5`"]),
    ],
)
def test_a_number_in_another_notation_is_written_as_here(train: str, titles: list[str]) -> None:
    text = spec(train=train)
    finding = only(text)
    assert [way.title for way in finding.ways_out] == titles
    for way in finding.ways_out:
        assert errors(edited(text, way.edits)) == []
        assert way.title.removeprefix("write ") in finding.help_text


def test_a_list_that_is_no_number_in_groups_gets_none() -> None:
    for train in ("steps = 1,00", "steps = 0,000", "steps = 1000,000", "betas = 0.9"):
        assert only(spec(train=train)).fix is None
