"""Maps by resolution: `other`, the resolutions in use, what the resolved spec holds, and latent 0."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import edited
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.span import Source
from hvaedsl.diff.compare import compare
from hvaedsl.ir.bridge import EncoderBlock, TopDownBlock
from hvaedsl.ir.bridge_text import bridge_json, bridge_text
from hvaedsl.ir.spec import custom_model_parts, custom_parts
from hvaedsl.ir.spec_text import flat_values, spec_json
from hvaedsl.program import compile_source

TEXT = """hvae 1
data { dataset = npy  channels = 3  resolution = 16 }
model {
  width = 16  MODEL
  encoder = 16x2, 16d2, 8x2, 8d2, 4x2
  decoder = 4x2, 8m4, 8x1, 16m8, 16x2
}
"""


def program(model: str = "latent = 4", **sets: object) -> hvaedsl.Program:
    return hvaedsl.loads(TEXT.replace("MODEL", model), sets={key.replace("__", "."): at for key, at in sets.items()})


def findings(model: str, **replaced: str) -> list[tuple[str, str]]:
    text = TEXT.replace("MODEL", model)
    for old, new in replaced.items():
        text = text.replace({"encoder": "16x2, 16d2, 8x2, 8d2, 4x2", "decoder": "4x2, 8m4, 8x1, 16m8, 16x2"}[old], new)
    return [(item.code, item.message) for item in compile_source(Source("a.hvae", text)).diagnostics]


def blocks(found: hvaedsl.Program) -> dict[int, TopDownBlock]:
    return {op.resolution: op for op in found.bridge.operations if isinstance(op, TopDownBlock)}


# --- the resolved spec


def test_a_map_has_the_resolutions_in_use_the_highest_first_and_no_other() -> None:
    spec = program("latent = {other: 3, 4: 8, 2: 99}").spec
    assert spec.model.latent == {16: 3, 8: 3, 4: 8}
    assert list(spec.model.latent) == [16, 8, 4]
    assert (spec.model.latent_at(8), spec.model.latent_at(4)) == (3, 8)


@pytest.mark.parametrize("written", ["{other: 4}", "{16: 4, 8: 4, 4: 4}", "{16: 4, other: 4}", "{2: 9, other: 4}"])
def test_a_map_of_equal_values_is_the_value(written: str) -> None:
    map_of_one, plain = program(f"latent = {written}"), program()
    assert map_of_one.spec == plain.spec
    assert compare(map_of_one, plain).is_empty
    assert '"latent": 4,' in json.dumps(spec_json(map_of_one.spec))


def test_latent_and_cell_ask_for_the_resolutions_of_the_decoder_and_bottleneck_for_those_of_both() -> None:
    model = "latent = {8: 2, 16: 3}  cell = {16: nvae, 8: vdvae}  bottleneck = {16: 0.5, 8: 1, 4: 0.75}"
    lists = {"model.decoder": "8x1, 16m8, 16x2"}
    spec = hvaedsl.loads(TEXT.replace("MODEL", model), sets=lists).spec
    assert (spec.model.latent, spec.model.cell) == ({16: 3, 8: 2}, {16: "nvae", 8: "vdvae"})
    assert spec.model.bottleneck == {16: 0.5, 8: 1, 4: 0.75}
    assert [spec.model.mid_at(at) for at in (16, 8, 4)] == [8, 16, 12]


def test_every_block_has_the_values_of_its_resolution() -> None:
    found = program("latent = {4: 8, other: 2}  cell = {16: nvae, other: vdvae}  bottleneck = {8: 0.5, other: 0.25}")
    assert {at: (op.latent, op.cell, op.mid) for at, op in blocks(found).items()} == {
        4: (8, "vdvae", 4),
        8: (2, "vdvae", 8),
        16: (2, "nvae", 4),
    }
    assert {op.mid for op in found.bridge.operations if isinstance(op, EncoderBlock) and op.resolution == 8} == {8}


def test_other_in_widths_is_not_the_width_of_the_image() -> None:
    assert program("latent = 4  widths = {other: 24}").spec.model.widths == {8: 24, 4: 24}
    assert program("latent = 4  widths = {4: 32, other: 24}").spec.model.widths == {8: 24, 4: 32}
    assert program("latent = 4  widths = {4: 32, 2: 64}").spec.model.widths == {4: 32, 2: 64}  # as it is written


def test_other_in_a_map_of_temperatures_is_that_of_the_resolutions_that_draw() -> None:
    temperature = {"sample.temperature": "{4: 0.5, other: 0.9}"}
    assert hvaedsl.loads(TEXT.replace("MODEL", "latent = 4"), sets=temperature).spec.sample.temperature == {
        16: 0.9,
        8: 0.9,
        4: 0.5,
    }
    silent = hvaedsl.loads(TEXT.replace("MODEL", "latent = {4: 0, other: 4}"), sets=temperature)
    assert silent.spec.sample.temperature == 0.9
    assert program(sample__temperature="{4: 0.5}").spec.sample.temperature == {4: 0.5}


def test_a_map_of_kl_weights_asks_for_the_resolutions_that_draw() -> None:
    weight = {"train.kl.weight": "{16: 0.5, 4: 0}"}
    silent = hvaedsl.loads(TEXT.replace("MODEL", "latent = {8: 0, other: 4}"), sets=weight)
    assert silent.spec.train.kl.weight == {16: 0.5, 4: 0.0}
    assert "    weight         = {16: 0.5, 4: 0}\n" in silent.resolved_text()
    assert hvaedsl.loads(silent.resolved_text()).spec == silent.spec
    assert program(train__kl__weight="{16: 0.5, other: 2}").spec.train.kl.weight == {16: 0.5, 8: 2.0, 4: 2.0}
    assert program(train__kl__weight="{other: 1}").spec == program().spec


def test_the_resolved_text_and_the_values_of_a_log_have_the_map() -> None:
    found = program("latent = {4: 8, other: 2}  cell = {16: nvae, other: vdvae}")
    assert "latent     = {16: 2, 8: 2, 4: 8}\n" in found.resolved_text()
    assert "cell       = {16: nvae, 8: vdvae, 4: vdvae}\n" in found.resolved_text()
    assert hvaedsl.loads(found.resolved_text()).spec == found.spec
    assert flat_values(found.spec)["model.latent"] == "{16: 2, 8: 2, 4: 8}"
    assert spec_json(found.spec)["model"]["latent"] == {"16": 2, "8": 2, "4": 8}
    assert flat_values(program().spec)["model.latent"] == 4


def test_a_map_replaces_that_of_the_base_and_an_option_replaces_both(tmp_path: Path) -> None:
    (tmp_path / "base.hvae").write_text(TEXT.replace("MODEL", "latent = {4: 8, other: 2}"))
    child = 'hvae 1\nextends "base.hvae"\nmodel { latent = {8: 5, other: 3} }\n'
    found = hvaedsl.loads(child, path=tmp_path / "child.hvae")
    assert found.spec.model.latent == {16: 3, 8: 5, 4: 3}
    sets = {"model.latent": {4: 7, "other": 6}}
    assert hvaedsl.loads(child, path=tmp_path / "child.hvae", sets=sets).spec.model.latent == {16: 6, 8: 6, 4: 7}


def test_every_cell_of_ones_own_in_a_map_is_a_custom_part() -> None:
    cells = 'latent = 4  cell = {4: "mine:A", 8: "mine:B", other: vdvae}'
    found = program(cells).spec
    assert custom_parts(found) == custom_model_parts(found) == {"model.cell.8": "mine:B", "model.cell.4": "mine:A"}
    assert custom_parts(program('latent = 4  cell = {other: "mine:A"}').spec) == {"model.cell": "mine:A"}


def test_a_map_that_only_names_another_resolution_has_no_effect() -> None:
    before, after = program("latent = {4: 8, other: 2}"), program("latent = {16: 2, 8: 2, 4: 8}")
    assert compare(before, after).is_empty
    lists = {"model.decoder": "4x2, 16m4, 16x2"}
    other = hvaedsl.loads(TEXT.replace("MODEL", "latent = {4: 8, other: 2}"), sets=lists)
    assert [change.key for change in compare(before, other).without_effect] == ["model.latent"]


# --- findings


def test_a_resolution_without_a_value_is_named_and_the_suggestion_adds_other() -> None:
    text = TEXT.replace("MODEL", "latent = {4: 8}")
    (item,) = compile_source(Source("a.hvae", text)).diagnostics
    assert (item.code, item.message) == ("HV230", "`model.latent` has no value for resolutions 16 and 8")
    assert item.help_text == "add `other: 8`, or name every resolution"
    mended = hvaedsl.loads(edited(text, item.suggestions[0].edits))
    assert mended.spec.model.latent == 8


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("latent = {}", "`model.latent` has no value for resolutions 16, 8 and 4"),
        ("latent = 4  cell = {16: nvae, 4: vdvae}", "`model.cell` has no value for resolution 8"),
        ("latent = 4  bottleneck = {16: 0.5, 8: 0.5}", "`model.bottleneck` has no value for resolution 4"),
    ],
)
def test_an_incomplete_map_is_one_error(model: str, found: str) -> None:
    assert findings(model) == [("HV230", found)]


def test_a_wrong_resolution_of_the_decoder_is_one_error() -> None:
    assert [code for code, _ in findings("latent = {16: 1, 8: 1, 4: 1}", decoder="4x2, 6x1, 8m4, 16m8, 16x2")] == [
        "HV305"
    ]
    assert [code for code, _ in findings("latent = {16: 1, 8: 1, 4: 1}", decoder="4q2, 8x1, 16m8, 16x2")] == ["HV112"]


@pytest.mark.parametrize("word", ["default", "rest", "Other", "othr", "else"])
def test_another_word_for_the_rest_is_mended(word: str) -> None:
    text = TEXT.replace("MODEL", f"latent = {{4: 8, {word}: 2}}")
    (item,) = compile_source(Source("a.hvae", text)).diagnostics
    assert item.code == "HV204"
    assert item.fix is not None
    assert hvaedsl.loads(edited(text, item.fix.edits)).spec.model.latent == {16: 2, 8: 2, 4: 8}


def test_other_is_written_once() -> None:
    assert findings("latent = {other: 8, 4: 1, other: 2}") == [("HV216", "duplicate entry `other`")]


@pytest.mark.parametrize(
    ("model", "lacking"),
    [
        ("latent = {2: 9, other: 4}", "the decoder has no block"),
        ("latent = 4  cell = {2: nvae, other: vdvae}", "the decoder has no block"),
        ("latent = 4  bottleneck = {2: 0.5, other: 0.25}", "the model has no block"),
    ],
)
def test_a_named_resolution_without_a_block_is_advice_whose_fix_keeps_the_spec(model: str, lacking: str) -> None:
    text = TEXT.replace("MODEL", model)
    (item,) = compile_source(Source("a.hvae", text)).diagnostics
    assert item.code == "HV502"
    assert item.message.endswith(f"has a value for resolution 2, where {lacking}")
    assert item.fix is not None
    assert item.fix.safe
    mended = hvaedsl.loads(edited(text, item.fix.edits))
    assert (mended.spec, mended.advice) == (hvaedsl.loads(text).spec, ())


def test_a_temperature_where_nothing_is_drawn_is_advice() -> None:
    text = TEXT.replace("MODEL", "latent = {8: 0, other: 4}") + "sample { temperature = {8: 0.5} }\n"
    found = {item.code: item.message for item in hvaedsl.loads(text).advice}
    assert found["HV502"].endswith("resolution 8, where the decoder draws no latent")


def test_a_map_of_kl_weights_is_checked_as_the_others_are() -> None:
    text = TEXT.replace("MODEL", "latent = {8: 0, other: 4}") + "train { kl { weight = {16: 0.5} } }\n"
    (item,) = compile_source(Source("a.hvae", text)).diagnostics
    assert (item.code, item.message) == ("HV230", "`train.kl.weight` has no value for resolution 4")
    assert hvaedsl.loads(edited(text, item.suggestions[0].edits)).spec.train.kl.weight == 0.5

    text = TEXT.replace("MODEL", "latent = {8: 0, other: 4}") + "train { kl { weight = {8: 0, other: 1} } }\n"
    found = {item.code: item.message for item in hvaedsl.loads(text).advice}
    assert found["HV502"] == "`train.kl.weight` has a value for resolution 8, where the decoder draws no latent"

    text = TEXT.replace("MODEL", "latent = 4") + "train { kl { weight = {16: -1, other: 1} } }\n"
    (item,) = compile_source(Source("a.hvae", text)).diagnostics
    assert (item.code, item.span.text) == ("HV205", "-1")


def test_the_state_is_the_latent_where_the_cell_says_so() -> None:
    ok = "latent = {4: 16, other: 3}  cell = {4: euler_maruyama, other: vdvae}"
    assert findings(ok) == []
    text = TEXT.replace("MODEL", "latent = {4: 9, other: 3}  cell = {4: euler_maruyama, other: vdvae}")
    (item,) = compile_source(Source("a.hvae", text)).diagnostics
    assert (item.code, item.label_text) == ("HV316", "`latent` is 9, the width is 16 at 4")
    assert item.fix is not None
    assert hvaedsl.loads(edited(text, item.fix.edits)).spec.model.latent == {16: 3, 8: 3, 4: 16}


@pytest.mark.parametrize(
    ("model", "differing"),
    [
        ("latent = {8: 5, other: 4}", "latent"),
        ("latent = 4  cell = {8: nvae, other: vdvae}", "cell"),
        ("latent = 4  bottleneck = {8: 0.5, other: 0.25}", "inner channels"),
        (
            "latent = {8: 5, other: 4}  cell = {8: nvae, other: vdvae}  widths = {8: 32, 4: 32}",
            "width, latent and cell",
        ),
    ],
)
def test_blocks_that_share_weights_agree_in_all_shapes(model: str, differing: str) -> None:
    text = TEXT.replace("MODEL", model).replace("8x1, 16m8, 16x2", "8x1@g, 16m8@g, 16x2")
    (item,) = compile_source(Source("a.hvae", text)).diagnostics
    assert item.code == "HV403"
    assert item.help_text == f"use another label, or give the blocks the same {differing}"


# --- latent 0


def test_blocks_with_latent_0_draw_nothing_and_read_nothing() -> None:
    found = program("latent = {8: 0, other: 4}")
    silent = [op for op in found.bridge.operations if isinstance(op, TopDownBlock) and op.resolution == 8]
    assert {(op.draws, op.latent, op.layer, op.reads) for op in silent} == {(False, 0, None, None)}
    drawing = [op for op in found.bridge.operations if isinstance(op, TopDownBlock) and op.draws]
    assert [op.layer for op in drawing] == list(range(5))
    assert found.cost.stochastic_depth == 5
    assert found.cost.latents == 4 * (2 * 16 + 3 * 256)
    assert sum(row.blocks for row in found.cost.rows if row.stack == "decoder") == 7
    line = next(line for line in bridge_text(found.bridge).splitlines() if "draws=false" in line)
    assert " latent=0 " in line
    assert " layer=none reads=none " in line
    assert {op["layer"] for op in bridge_json(found.bridge)["operations"] if op.get("draws") is False} == {None}


def test_the_bridge_of_a_model_whose_blocks_all_draw_is_printed_as_before() -> None:
    assert "draws" not in bridge_text(program().bridge)


def test_at_least_one_block_draws() -> None:
    text = TEXT.replace("MODEL", "latent = {other: 0}")
    (item,) = compile_source(Source("a.hvae", text)).diagnostics
    assert item.code == "HV321"
    assert hvaedsl.loads(edited(text, item.suggestions[0].edits)).spec.model.latent == {16: 0, 8: 0, 4: 16}
    assert findings("latent = 0") == [("HV205", "`model.latent` is 0; it must be an integer of at least 1")]


@pytest.mark.parametrize("cell", ["non_residual", "euler_maruyama"])
def test_a_cell_whose_next_state_is_made_of_z_refuses_latent_0(cell: str) -> None:
    text = TEXT.replace("MODEL", f"latent = {{8: 0, other: 16}}  cell = {cell}")
    (item,) = compile_source(Source("a.hvae", text)).diagnostics
    assert (item.code, item.message) == ("HV322", f"`cell = {cell}` needs a latent, which is 0 at 8")
    assert item.span.text == "8: 0"
    assert findings(f"latent = {{8: 0, other: 16}}  cell = {{8: nvae, other: {cell}}}")[0][0] == "HV506"


def test_the_encoder_is_not_needed_where_nothing_is_drawn() -> None:
    lists = {"model.encoder": "16x2, 16d4, 4x2"}
    text = TEXT.replace("MODEL", "latent = {8: 0, other: 4}")
    assert hvaedsl.loads(text, sets=lists).advice == ()
    with pytest.raises(SpecError) as caught:
        hvaedsl.loads(TEXT.replace("MODEL", "latent = 4"), sets=lists)
    assert [item.code for item in caught.value.diagnostics] == ["HV305"]


def test_a_mix_in_at_resolutions_of_the_decoder_alone_never_cuts_channels() -> None:
    lists = {"model.encoder": "16x2, 16d4, 4x2"}
    text = TEXT.replace("MODEL", "latent = {8: 0, other: 4}  widths = {8: 8}")
    with pytest.raises(SpecError) as caught:
        hvaedsl.loads(text, sets=lists)
    assert [item.code for item in caught.value.diagnostics] == ["HV312"]


def test_a_level_of_the_encoder_that_no_drawing_block_reads_is_advice() -> None:
    text = TEXT.replace("MODEL", "latent = {8: 0, other: 4}")
    (item,) = hvaedsl.loads(text).advice
    assert (item.code, item.label_text) == ("HV506", "the decoder draws no latent at 8")
    assert hvaedsl.loads(edited(text, item.suggestions[0].edits)).advice == ()
    text = TEXT.replace("MODEL", "latent = {4: 0, other: 4}")
    (item,) = hvaedsl.loads(text).advice
    assert item.code == "HV501"
    assert hvaedsl.loads(edited(text, item.suggestions[0].edits)).advice == ()


def test_synchronous_processing_pairs_the_blocks_that_draw() -> None:
    same = {"model.processing": "synchronous", "model.encoder": "16x2, 16d2, 8x9, 8d2, 4x2"}
    text = TEXT.replace("MODEL", "latent = {8: 0, other: 4}")
    found = hvaedsl.loads(text, sets=same)
    assert all(op.reads is not None for op in found.bridge.operations if isinstance(op, TopDownBlock) and op.draws)


def test_without_skip_connections_a_block_at_the_bottleneck_draws() -> None:
    text = TEXT.replace("MODEL", "latent = {4: 0, other: 4}  skips = none")
    (item,) = compile_source(Source("a.hvae", text)).diagnostics
    assert (item.code, item.message) == (
        "HV319",
        "only blocks at 4 read the encoder, and the decoder draws no latent there",
    )
    assert hvaedsl.loads(edited(text, item.suggestions[0].edits)).spec.model.latent == 4


@pytest.mark.parametrize(
    ("cell", "proposed"),
    [
        ("vdvae", "add `other: 7`"),
        ("{8: euler_maruyama, other: vdvae}", "add `other: 16`"),  # the latent there is the state
        ("{8: euler_maruyama, 2: vdvae, 4: vdvae}", ""),  # no one value is right for 8 and 2
    ],
)
def test_the_proposed_latent_suits_the_cells(cell: str, proposed: str) -> None:
    latents, decoder = ("{4: 7}", "4x1, 8m4, 8x1") if proposed else ("{4: 7, 16: 1}", "2x1, 4m2, 8m4, 8x1")
    text = f"""hvae 1 data {{ dataset = npy channels = 1 resolution = 8 }}
        model {{ width = 16 latent = {latents} cell = {cell}
        encoder = 8x1, 8d2, 4x1, 4d2, 2x1 decoder = {decoder} }}"""
    (missing,) = [item for item in compile_source(Source("a.hvae", text)).diagnostics if item.code == "HV230"]
    assert [way.title for way in missing.suggestions] == ([proposed] if proposed else [])
