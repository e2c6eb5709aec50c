"""What a hover says: of entries, keys, constants, words, bases and codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol.types import MarkupContent

from hvaedsl.ir.bridge import TopDownBlock
from hvaedsl.ir.shapes import flops, parameters
from hvaedsl.lsp.entry_text import amount, share
from hvaedsl.lsp.hover import hover
from hvaedsl.program import loads
from tests.lsp.texts import GOOD, analyzed, at_cursor


def told(text: str, path: Path | None = None) -> str:
    found, offset = at_cursor(text, path, before=analyzed(GOOD))
    said = hover(found, offset)
    if said is None:
        return ""
    assert isinstance(said.contents, MarkupContent)
    return said.contents.value


def test_an_entry_says_what_it_is_and_what_it_costs() -> None:
    program = loads(GOOD)
    blocks = [op for op in program.bridge.operations if isinstance(op, TopDownBlock) and op.group == "@top"]
    said = told(GOOD.replace("4r2@top", "4r|2@top"))
    part = share(parameters(blocks[0]), program.cost.parameters)
    assert said.splitlines() == [
        "`4r2@top`: one top-down block applied 2 times at 4x4",
        "",
        "- 32 channels, 8 inside, 3x3 kernels, latent 4, cell vdvae",
        f"- weights @top: {parameters(blocks[0]):,} parameters ({part} of the model)",
        "- 2 latents of 4x4x4, numbers 1 to 2 of 12",
        f"- {amount(sum(map(flops, blocks)))}FLOPs for one image "
        f"({share(sum(map(flops, blocks)), program.cost.flops_per_image)} of the model)",
    ]


def test_copies_poolings_and_mix_ins() -> None:
    assert "2 top-down blocks at 16x16, each applied 3 times" in told(GOOD.replace("(16r$n)", "(1|6r$n)"))
    assert "then average pooling by 2 to 16x16" in told(GOOD.replace("32d2", "32d|2"))
    assert "first mixes in the state of 16x16, nearest upsampling" in told(GOOD.replace("32m16", "|32m16"))
    assert "2 residual blocks at 32x32, each with its own weights" in told(GOOD.replace("= 32x2,", "= 32x|2,"))


def test_a_map_by_resolution_and_blocks_that_draw_no_latent() -> None:
    text = GOOD.replace("latent  = 4", "latent  = {4: 0, other: 3}")
    assert "- no latent: the next state is a function of the state" in told(text.replace("4r2@top", "4r|2@top"))
    assert "latents of 3x16x16, numbers 2 to 7 of 10" in told(text.replace("(16r$n)", "(1|6r$n)"))
    assert told(text.replace("other: 3", "oth|er: 3")) == (
        "`other`: the value of the resolutions that the map does not name"
    )
    assert "Here: `{32: 3, 16: 3, 4: 0}`." in told(text.replace("latent  =", "lat|ent  ="))


def test_a_name_of_weights_says_how_many_they_are() -> None:
    text = GOOD.replace("kl {", "freeze = encoder.st|em  rates = {decoder.gain: 2}  kl {")
    assert told(text) == "`encoder.stem`: 2 tensors\n\n`encoder.stem.weight`, `encoder.stem.bias`"
    text = GOOD.replace("kl {", "freeze = encoder.stem  rates = {deco|der.r4: 2}  kl {")
    assert told(text).startswith("`decoder.r4`: 27 tensors\n\n`decoder.states.r4`, ")
    assert told(text).endswith(" and 19 more")
    assert "`train.freeze`" in told(GOOD.replace("kl {", "fre|eze = encoder.stem  kl {"))


def test_epochs_say_how_many_steps_they_are() -> None:
    text = GOOD.replace("kl {", "steps = 20 ep|ochs  batch_size = 16  kl {")
    assert told(text) == "`20 epochs`: 56,250 steps in one process"
    assert told(text.replace("20 ep|", "$n ep|")) == "`3 epochs`: 8,438 steps in one process"
    assert told(text.replace("  batch_size = 16", "")) == ""


def test_an_entry_with_a_count_of_0_has_no_block() -> None:
    assert told(GOOD.replace("= 32x2,", "= 32x2, 32x|0,")) == "`32x0`: no block, since a count is 0"
    assert told(GOOD.replace("= 32x2,", "= 32x2, 0*(32r|2),")) == "`32r2`: no block, since a count is 0"


def test_shared_weights_are_counted_once_and_named() -> None:
    text = GOOD.replace("2*(16r$n)", "16r$n@top")
    assert "shared with 3 applications elsewhere" in told(text.replace("4r2@top", "|4r2@top"))


def test_shares_of_all_groups_add_up() -> None:
    assert share(1, 3) == "33 %"
    assert share(32, 1000) == "3.2 %"
    assert share(1, 100_000) == "below 0.1 %"
    assert amount(1.234e9) == "1.23 G"


def test_a_constant_says_its_value_and_where_it_stands() -> None:
    assert "`$n` = 3, a number defined in line 2" in told(GOOD.replace("2*16r$n", "2*16r$|n"))
    assert told(GOOD.replace("let n", "let |n")) == "`$n` = 3, a number defined in line 2"


def test_a_key_says_type_meaning_default_and_value() -> None:
    said = told(GOOD.replace("width  ", "wi|dth  "))
    assert "**`model.width`**: an integer of at least 1" in said
    assert "Channels of the residual state." in said
    assert "Needed to compile." in said
    assert "Here: `32`." in said
    assert "Default: `0.25`." in told(GOOD.replace("latent  = 4", "latent = 4 bott|leneck = 0.5"))


def test_a_value_of_a_base_says_so(tmp_path: Path) -> None:
    (tmp_path / "base.hvae").write_text(GOOD)
    said = told('hvae 1\nextends "base.hvae"\nmodel { la|tent = 8 }\n', tmp_path / "child.hvae")
    assert "Here: `8`." in said
    said = told('# About.\nhvae 1\nextends "ba|se.hvae"\n', tmp_path / "child.hvae")
    assert said == "`base.hvae`"


def test_words_data_sets_and_cells() -> None:
    assert told(GOOD.replace("= cifar10", "= cifar|10")).startswith("`cifar10`: color images of 32x32 pixels")
    assert "x' = resnet" in told(GOOD.replace("latent  = 4", "latent = 4 cell = vd|vae"))
    assert "softmax(q k^T" in told(GOOD.replace("latent  = 4", "latent = 4 block = atten|tion"))
    assert "block attention" in told(
        GOOD.replace("latent  = 4", "latent = 4 block = attention").replace("32d2", "32d|2")
    )
    heads = GOOD.replace("latent  = 4", "latent = 4 block = attention(heads = 8)")
    assert "softmax(q k^T" in told(heads.replace("attention", "atten|tion"))
    assert "block attention(heads=8)" in told(heads.replace("32d2", "32d|2"))
    assert "`model { }`" in told(GOOD.replace("model {", "mod|el {"))


def test_a_code_in_a_comment_says_its_title() -> None:
    said = told(GOOD.replace("= 32\n", "= 32  # hvae: ignore[HV5|02]\n"))
    assert said.startswith("**HV502**: ")
    assert told(GOOD.replace("let n = 3", "let n = 3 # no|thing")) == ""


def test_figures_outlive_a_half_written_line_elsewhere() -> None:
    text = GOOD.replace("latent  = 4\n", "latent = \n").replace("32d2", "32d|2")
    assert "parameters" in told(text)


@pytest.mark.parametrize(("old", "new"), [("let n = 3", "let n = 4"), ("= 32\n", "= 48\n"), ("cifar10", "mnist")])
def test_no_figures_stand_where_what_shapes_them_has_changed(old: str, new: str) -> None:
    text = GOOD.replace("latent  = 4\n", "latent = \n").replace("2*16r$n", "2*16r|$n")
    assert "parameters" in told(text)
    assert "no figures" in told(text.replace(old, new, 1))


def test_no_figures_stand_where_the_list_has_changed() -> None:
    text = GOOD.replace("latent  = 4\n", "latent = \n").replace("32x2, 32d2", "32x3, 32d|2")
    said = told(text)
    assert "no figures" in said
    assert "parameters" not in said
