"""Connection, sharing, missing gradients, the verifier, and the rules' advice."""

from __future__ import annotations

from dataclasses import replace

import pytest

import hvaedsl
from hvaedsl import pipeline
from hvaedsl.diagnostics.errors import CompilerBug
from hvaedsl.ir.bridge import Bridge, EncoderBlock, MixIn, Operation, TopDownBlock
from hvaedsl.passes.verify import verify
from hvaedsl.rules.synchronous_counts import UnequalCounts


def compiled(encoder: str, decoder: str, more: str = "") -> hvaedsl.Program:
    return hvaedsl.loads(
        f"""hvae 1 data {{ dataset = npy channels = 1 resolution = 8 }}
        model {{ width = 16 latent = 2 encoder = {encoder} decoder = {decoder} {more} }}"""
    )


def reads(program: hvaedsl.Program) -> list[tuple[int, int | None]]:
    return [(op.resolution, op.reads) for op in program.bridge.operations if isinstance(op, TopDownBlock)]


def test_a_block_reads_what_entered_the_pooling_block() -> None:
    # 0 stem, 1-2 blocks at 8, 3 the block of 8d2, 4 its pooling, 5 the block at 4
    assert reads(compiled("8x2, 8d2, 4x1", "4x1, 8m4, 8x1")) == [(4, 5), (8, 2), (8, 2)]


def test_the_stem_is_read_where_nothing_precedes_the_pooling() -> None:
    assert reads(compiled("8d2, 4d2, 2d2", "1x1, 2m1, 4m2, 8m4")) == [(1, 6), (2, 4), (4, 2), (8, 0)]


def test_repeats_are_weight_groups() -> None:
    groups = compiled("8r3, 8d2, 4x2", "4r2, 8m4, 8x1").weight_groups
    assert [(group.stack, group.name, len(group.applications)) for group in groups] == [
        ("encoder", "r8_0", 3),
        ("encoder", "r8_1", 1),
        ("encoder", "r4_0", 1),
        ("encoder", "r4_1", 1),
        ("decoder", "r4_0", 2),
        ("decoder", "r8_0", 1),
        ("decoder", "r8_1", 1),
    ]


def test_nothing_reaches_an_encoder_level_that_no_block_reads() -> None:
    program = compiled("8x1, 8d2, 4x1, 4d2, 2x1", "4x1, 8m4")
    assert {name.rsplit(".", 2)[0] for name in program.without_gradient} == {
        "encoder.blocks.r4_1",
        "encoder.blocks.r2_0",
    }
    assert [item.code for item in program.advice] == ["HV501"]


def test_a_state_that_goes_nowhere_trains_only_the_rate() -> None:
    program = compiled("8x1, 8d2, 4x1", "4x1, 8m4, 4x1, 8x1")
    assert {name.removeprefix("decoder.blocks.r4_1.").split(".")[0] for name in program.without_gradient} == {
        "z_proj",
        "resnet",
    }
    assert [item.message for item in program.advice] == [
        "the residual step of the last block at 4 receives no gradient"
    ]


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        ("vdvae", {"z_proj", "resnet"}),
        ("non_residual", {"z_proj", "resnet"}),
        ("nvae", {"combiner", "resnet"}),
        ("euler_maruyama", set()),
    ],
)
def test_what_only_the_outgoing_state_trains_depends_on_the_cell(cell: str, parts: set[str]) -> None:
    more = f"cell = {cell} width = 16"
    program = hvaedsl.loads(
        f"""hvae 1 data {{ dataset = npy channels = 1 resolution = 8 }}
        model {{ {more} latent = 16 encoder = 8x1, 8d2, 4x1 decoder = 4x1, 8m4, 4x1, 8x1 }}"""
    )
    assert {name.removeprefix("decoder.blocks.r4_1.").split(".")[0] for name in program.without_gradient} == parts
    assert [item.code for item in program.advice] == ["HV501"] * bool(parts)


@pytest.mark.parametrize(
    ("model", "label", "help_text"),
    [
        ("width = 8", "`latent` is 4, the width is 8 at 4 and 8", "write `latent = 8`"),
        ("width = 4 widths = {4: 8, 2: 16}", "`latent` is 4, the width is 16 at 2, 8 at 4", "the same width"),
    ],
)
def test_a_latent_that_is_the_state_has_its_channels(model: str, label: str, help_text: str) -> None:
    deep = "2: 16" in model
    encoder, decoder = ("8d2, 4d2, 2x1", "2x1, 4m2, 8m4") if deep else ("8x1, 8d2, 4x1", "4x1, 8m4, 8x1")
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.loads(
            f"""hvae 1 data {{ dataset = npy channels = 1 resolution = 8 }}
            model {{ cell = euler_maruyama {model} latent = 4 encoder = {encoder} decoder = {decoder} }}"""
        )
    (found,) = caught.value.diagnostics
    assert found.code == "HV316"
    assert found.label_text == label
    assert help_text in found.help_text


def test_a_width_where_no_latent_is_drawn_may_differ() -> None:
    hvaedsl.loads(
        """hvae 1 data { dataset = npy channels = 1 resolution = 8 }
        model { cell = euler_maruyama width = 4 widths = {2: 16} latent = 4
        encoder = 8x1, 8d2, 4d2, 2x1 decoder = 4x1, 8m4 }"""
    )


@pytest.mark.parametrize("bottleneck", ["1e-320", "1e-5", "1e-3"])
def test_advice_on_a_bottleneck_of_any_size_is_given(bottleneck: str) -> None:
    (found,) = hvaedsl.load("digits.hvae", sets={"model.bottleneck": bottleneck}).advice
    assert found.code == "HV511"
    assert ("`bottleneck = 0.25`" in found.help_text) == (float(bottleneck) < 1e-4)


@pytest.mark.parametrize(
    ("encoder", "decoder", "skips", "expected"),
    [
        ("8x2, 8d2, 4x1", "4x1, 8m4, 8x2", "all", []),
        ("8x2, 8d2, 4x1", "4x2, 8m4, 8x1", "all", ["HV315 at 8: 3, 2", "HV315 at 4: 1, 2"]),
        ("8x2, 8d2, 4x1, 4d2, 2x1", "4x2, 8m4, 8x2", "all", ["HV315 at 2: 1, 0"]),
        ("8x2, 8d2, 4x1", "4x1, 8m4, 8x5", "none", []),
        ("8x2, 8d2, 4x1", "4x3, 8m4, 8x5", "none", ["HV315 at 4: 1, 3"]),
        ("8x2, 8d2, 4x1", "8x3", "none", ["HV319"]),
        ("8x2, 8d2", "4x1, 8m4, 8x2", "all", ["HV315 at 4: 0, 1"]),
        ("8x2, 8d2", "4x1, 8m4, 8x2", "none", ["HV315 at 4: 0, 1"]),
    ],
)
def test_synchronous_processing_pairs_every_block(encoder: str, decoder: str, skips: str, expected: list[str]) -> None:
    sets = {"model.encoder": encoder, "model.decoder": decoder, "model.skips": skips}
    try:
        hvaedsl.load("digits.hvae", sets=sets | {"model.processing": "synchronous"})
        found = []
    except hvaedsl.SpecError as error:
        found = [
            f"{item.code} at {item.resolution}: {item.encoder}, {item.decoder}"
            if isinstance(item, UnequalCounts)
            else item.code
            for item in error.diagnostics
        ]
    assert sorted(found) == sorted(expected)


def test_a_shared_block_is_reached_through_any_application() -> None:
    assert compiled("8x1@g, 8d2, 4x1@g", "8x1").without_gradient == tuple(
        f"encoder.blocks.r{group}.c{index}.{kind}"
        for group in ("8_1",)
        for index in (1, 2, 3, 4)
        for kind in ("weight", "bias")
    )


@pytest.mark.parametrize(
    ("decoder", "more", "begins"),
    [("4x1, 8x1", "", "its learned bias"), ("4x1, 8x1", "bias_up_to = 4", "zeros")],
)
def test_a_missing_mix_in_is_advice(decoder: str, more: str, begins: str) -> None:
    (advice,) = compiled("8x1, 8d2, 4x1", decoder, more).advice
    assert (advice.code, advice.label_text) == ("HV503", f"the state starts as {begins} here")


def test_advice_is_not_given_on_a_wrong_spec() -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        compiled("8x1, 8d2, 4x1", "4x1, 8x1", "bottleneck = -2")
    assert [item.code for item in caught.value.diagnostics] == ["HV205"]


@pytest.mark.parametrize(
    ("encoder", "decoder", "expected"),
    [
        ("4x1", "4x1, 8m4", ["HV301"]),
        ("8x1, 4x1", "4x1, 8m4", ["HV302"]),
        ("8x1, 8d2, 8x1", "8x1", ["HV302"]),
        ("8x1, 8d3, 2x1", "2x1, 8m2", ["HV303"]),
        ("8x1, 8d1", "8x1", ["HV304"]),
        ("8x1, 8d16", "8x1", ["HV303"]),
        ("8x1", "4x1, 8m4", ["HV305"]),
        ("8x1", "4x3, 4x1, 2x1, 8m4", ["HV305"]),
        ("8x1, 8d2, 4x1", "4x1, 8m8", ["HV306"]),
        ("8x1, 8d2, 4x1", "4m8, 8m4", ["HV306"]),
        ("8x1, 8d2, 4x1", "4x1, 8m3", ["HV307"]),
        ("8x1, 8d2, 4x1", "8m4", ["HV308"]),
        ("8x1, 8d2, 4x1", "8x1, 4x1", ["HV309"]),
        ("8x1, 8d2, 4x1, 4d3, 1x1, 8x1", "1x1, 8m1", ["HV303", "HV302"]),
    ],
)
def test_the_walk(encoder: str, decoder: str, expected: list[str]) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        compiled(encoder, decoder)
    assert [item.code for item in caught.value.diagnostics] == expected


# --- the verifier

SOUND = compiled("8x1, 8r2, 8d2, 4x1", "4x1, 8m4, 8r2").bridge


def changed(index: int, **fields: object) -> Bridge:
    operations = list(SOUND.operations)
    operations[index] = replace(operations[index], **fields)  # type: ignore[arg-type]
    return replace(SOUND, operations=tuple(operations))


def index_of(kind: type[Operation], which: int = 0) -> int:
    return [i for i, op in enumerate(SOUND.operations) if isinstance(op, kind)][which]


CORRUPTED = {
    "empty": replace(SOUND, operations=()),
    "no stem": replace(SOUND, operations=SOUND.operations[1:]),
    "no head": replace(SOUND, operations=SOUND.operations[:-1]),
    "two heads": replace(SOUND, operations=(*SOUND.operations, SOUND.head)),
    "decoder first": replace(
        SOUND, operations=(SOUND.operations[0], *SOUND.operations[-3:-1], *SOUND.operations[1:-3], SOUND.head)
    ),
    "layers": changed(index_of(TopDownBlock, 1), layer=0),
    "applications": changed(index_of(EncoderBlock, 2), application=5),
    "reads later": changed(index_of(TopDownBlock), reads=10_000),
    "reads before the first": changed(index_of(TopDownBlock), reads=-1),
    "reads another resolution": changed(index_of(TopDownBlock), reads=0),
    "reads other channels": changed(index_of(TopDownBlock), channels=9),
    "reads no activation": changed(index_of(TopDownBlock, 1), reads=index_of(TopDownBlock)),
    "a mix-in from a narrower state": changed(index_of(MixIn), source_channels=4),
}


def test_a_sound_bridge_is_verified() -> None:
    verify(SOUND, after="building")


@pytest.mark.parametrize("name", CORRUPTED)
def test_a_corrupted_bridge_is_our_bug(name: str) -> None:
    with pytest.raises(CompilerBug, match="invalid after a test"):
        verify(CORRUPTED[name], after="a test")


@pytest.mark.parametrize(
    ("widths", "decoder", "place"),
    [
        ("{4: 4}", "2x1, 4m2, 8m4, 8x1", "4: 4"),  # the encoder has no 4
        ("{4: 4}", "2x1, 4m2, 8m4, 8m4, 4x1, 8m4", "4: 4"),  # told once
        ("{4: 64}", "2x1, 4m2, 8m4", "4: 64"),
    ],
)
def test_without_skips_a_mix_in_still_has_channels_enough(widths: str, decoder: str, place: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        compiled("8x1, 8d4, 2x1", decoder, f"skips = none widths = {widths}")
    (found,) = caught.value.diagnostics
    assert (found.code, found.span.text) == ("HV312", place)
    compiled("8x1, 8d4, 2x1", decoder, "skips = none widths = {2: 64, 4: 64}")


def test_an_analysis_is_made_when_it_is_asked_for_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Bridge] = []

    def counted(bridge: Bridge) -> int:
        made.append(bridge)
        return len(bridge.operations)

    bridge = compiled("8x2, 8d2, 4x1", "4x1, 8m4, 8x1").bridge
    monkeypatch.setattr(pipeline, "ANALYSES", (counted,))
    analyses = pipeline.Analyses(bridge, ())
    assert made == []
    assert analyses[counted] == analyses[counted] == len(bridge.operations)
    assert made == [bridge]
    with pytest.raises(KeyError):
        analyses[len]  # type: ignore[index]  # no analysis of a bridge
