"""Block lists: what is applied, with whose weights, and as which layer."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import edited
from hvaedsl.ir.bridge import EncoderBlock, MixIn, Pool, TopDownBlock


def compiled(encoder: str = "8x1, 8d2, 4x1", decoder: str = "4x1, 8m4", more: str = "") -> hvaedsl.Program:
    return hvaedsl.loads(
        f"""hvae 1 let n = 3
        data {{ dataset = npy channels = 1 resolution = 8 }}
        model {{ width = 8 latent = 2 encoder = {encoder} decoder = {decoder} {more} }}"""
    )


def encoder_groups(encoder: str) -> list[tuple[int, str, int]]:
    operations = compiled(encoder).bridge.operations
    return [(op.resolution, op.group, op.application) for op in operations if isinstance(op, EncoderBlock)]


def decoder_groups(decoder: str) -> list[tuple[int, str, int]]:
    operations = compiled(decoder=decoder).bridge.operations
    return [(op.resolution, op.group, op.application) for op in operations if isinstance(op, TopDownBlock)]


BELOW = [(8, "r8_{}", 0), (4, "r4_0", 0)]


def test_x_gives_each_block_its_own_weights() -> None:
    assert encoder_groups("8x3, 8d2, 4") == [*((8, f"r8_{i}", 0) for i in range(4)), (4, "r4_0", 0)]


def test_r_applies_one_block_several_times() -> None:
    assert encoder_groups("8r3, 8d2, 4") == [*((8, "r8_0", i) for i in range(3)), (8, "r8_1", 0), (4, "r4_0", 0)]


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("2*(8r4), 8d2, 4", "8r4, 8r4, 8d2, 4"),
        ("2*8r4, 8d2, 4", "8r4, 8r4, 8d2, 4"),
        ("2*(8x1, 8r2), 8d2, 4", "8x1, 8r2, 8x1, 8r2, 8d2, 4"),
        ("2*(8x1, 2*(8r2)), 8d2, 4", "8x1, 8r2, 8r2, 8x1, 8r2, 8r2, 8d2, 4"),
        ("$n*8r$n, 8d2, 4x$n", "3*8r3, 8d2, 4x3"),
        ("8, 8, 8d2, 4", "8x2, 8d2, 4x1"),
        ("(8x1, (8x2)), 8d2, 4", "8x3, 8d2, 4"),
        ("[8x1, 8x2], 8d2, 4", "8x3, 8d2, 4"),
        ("1*8x2, 8d2, 4", "8x2, 8d2, 4"),
        ("8x0, 8d2, 4", "8d2, 4"),
        ("8x0, 8x1, 8r0@g, 8d2, 2x0, 4", "8x1, 8d2, 4"),
        ("0*(8x1, 8d2), 8x1, 3*8x0, 8d2, 4", "8x1, 8d2, 4"),
    ],
)
def test_ways_of_writing_the_same(short: str, long: str) -> None:
    assert compiled(short).bridge == compiled(long).bridge


@pytest.mark.parametrize(
    ("encoder", "advice"),
    [
        ("8x0, 8x1, 8d2, 4x1", ["8x0"]),
        ("8r0@g, 8x1, 8d2, 4x1", ["8r0@g"]),
        ("0*(8x0, 8r0), 2*(8x0, 8x1), 8d2, 4x1", ["0*(8x0, 8r0)", "8x0"]),
        ("8x$none, 8x1, $none*(8x1, 8d2), 8d2, 4x1", []),
    ],
)
def test_a_literal_count_of_0_is_reported_and_a_constant_is_not(encoder: str, advice: list[str]) -> None:
    program = compiled(encoder, more="} let none = 0 sample { count = 1")
    assert [item.span.text for item in program.advice if item.code == "HV515"] == advice


@pytest.mark.parametrize("encoder", ["8x0", "8x0, 0*8d2", "2*(8x0)", "8x$none"])
def test_a_stack_has_at_least_one_block(encoder: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as refused:
        compiled(encoder, more="} let none = 0 sample { count = 1")
    (finding,) = refused.value.diagnostics
    assert (finding.code, finding.label_text) == ("HV204", "found no block")


def test_a_label_overrides_copying() -> None:
    assert encoder_groups("3*8r1@g, 8d2, 4x1") == [*((8, "@g", i) for i in range(3)), (8, "r8_1", 0), (4, "r4_0", 0)]
    assert compiled("3*8r1@g, 8d2, 4x1").cost.parameters == compiled("8x1, 8d2, 4x1").cost.parameters


def test_a_label_goes_across_resolutions_and_d_and_m_entries_share() -> None:
    assert encoder_groups("8x1@g, 8d2@g, 4r2@g") == [(8, "@g", 0), (8, "@g", 1), (4, "@g", 2), (4, "@g", 3)]
    assert decoder_groups("4r2@g, 8m4@g, 8x1@h") == [(4, "@g", 0), (4, "@g", 1), (8, "@g", 2), (8, "@h", 0)]


def test_labels_of_the_stacks_are_separate() -> None:
    program = compiled("8x1@g, 8d2, 4x1", "4x1@g, 8m4")
    assert [(group.stack, group.name) for group in program.weight_groups if group.name == "@g"] == [
        ("encoder", "@g"),
        ("decoder", "@g"),
    ]


@pytest.mark.parametrize(
    ("encoder", "codes"),
    [
        ("(8x1, 8x1)@g, 8d2, 4x1", ["HV401"]),
        ("(8x1)@g, 8d2, 4x1", ["HV401"]),
        ("(2*8x1)@g, 8d2, 4x1", ["HV401"]),
        ("8x2@g, 8d2, 4x1", ["HV402"]),
        ("8x1@g, 8d2, 4d2, 2x1@g", ["HV403"]),
    ],
)
def test_what_cannot_be_labelled(encoder: str, codes: list[str]) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        compiled(encoder)
    assert [item.code for item in caught.value.diagnostics] == codes


def test_the_fix_of_copies_with_one_label() -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        compiled("8x2@g, 8d2, 4x1")
    fix = caught.value.diagnostics[0].fix
    assert fix is not None
    hvaedsl.loads(edited(fix.edits[0].span.source.text, fix.edits))


def test_pooling_and_mixing() -> None:
    operations = compiled("8d2, 4d4, 1x1", "1x1, 4m1, 8m4").bridge.operations
    assert [(op.resolution, op.factor, op.to) for op in operations if isinstance(op, Pool)] == [(8, 2, 4), (4, 4, 1)]
    assert [(op.resolution, op.source) for op in operations if isinstance(op, MixIn)] == [(4, 1), (8, 4)]


def test_layers_count_applications() -> None:
    program = compiled(decoder="4r3, 8m4, 2*8r2")
    layers = [op.layer for op in program.bridge.operations if isinstance(op, TopDownBlock)]
    assert layers == list(range(8))
    assert program.cost.stochastic_depth == 8


@pytest.mark.parametrize("resolution", [6, 12, 28, 100])
def test_resolutions_need_not_be_powers_of_two(resolution: int) -> None:
    half = resolution // 2
    hvaedsl.loads(
        f"""hvae 1 data {{ dataset = folder channels = 3 resolution = {resolution} }}
        model {{ width = 8 latent = 2 encoder = {resolution}x1, {resolution}d2, {half}d{half}
        decoder = 1x1, {resolution}m1, {resolution}x1 }}"""
    )


@pytest.mark.parametrize("count", [99_998, 100_000])
def test_the_limit_counts_applications_of_a_stack(count: int) -> None:
    text = f"8r{count}, 8d2, 4x1"
    with pytest.raises(hvaedsl.SpecError) as caught:
        compiled(text, "4x1, 8q4")
    assert ("HV313" in [item.code for item in caught.value.diagnostics]) == (count + 2 > 100_000)
