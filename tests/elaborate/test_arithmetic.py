"""Whole numbers as expressions: their values, their mistakes, and what is read as something else."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import edited
from hvaedsl.diagnostics.snippet import spec
from tests.elaborate.written import codes, errors, found, with_lets


def width(expression: str, *lets: str) -> int:
    text = with_lets(*lets, model=f"width = {expression}  latent = 4")
    return hvaedsl.loads(text).spec.model.width


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 + 3*4", 14),
        ("(2 + 3)*4", 20),
        ("20 - 5 - 3", 12),
        ("24/4/3", 2),
        ("2*24/4", 12),
        ("-2 + 8", 6),
        ("-2*-8", 16),
        ("- -8", 8),
        ("(8)", 8),
        ("2*(8)", 16),
        ("1k/8", 125),
        ("24*$k", 48),
        ("$k*$k*$k", 8),
        ("$m", 5),
        ("-(0 - 8)/$k", 4),
        ("(((2)))*(1 + 1)", 4),
    ],
)
def test_arithmetic(expression: str, value: int) -> None:
    assert width(expression, "m = 2*$k + 1", "k = 2") == value


@pytest.mark.parametrize(
    ("expression", "code", "place"),
    [
        ("7/2", "HV232", "7/2"),
        ("8*(1 - 4)/5", "HV232", "8*(1 - 4)/5"),
        ("8/0", "HV233", "0"),
        ("8/($k - 2)", "HV233", "($k - 2)"),
        ("1M*1M*1M", "HV234", "1M*1M*1M"),
        ("1M*1M*1M - 1 + 8", "HV234", "1M*1M*1M"),
        ("2*1.5", "HV242", "1.5"),
        ("2*k", "HV242", "k"),
        ('2 + "a"', "HV242", '"a"'),
        ("2*{8: 1}", "HV242", "{8: 1}"),
        ("2*$none", "HV208", "$none"),
        ("$stage", "HV235", "$stage"),
        ("2 + $stage", "HV235", "$stage"),
        ("$base", "HV239", "$base"),
        ("2*$base", "HV239", "$base"),
        ("$k - 2", "HV205", "$k - 2"),
        ("foo-bar", "HV242", "foo"),
    ],
)
def test_what_is_no_number(expression: str, code: str, place: str) -> None:
    text = with_lets("k = 2", "stage = (8x1, 8x2)", model=f"width = {expression}  latent = 4")
    assert errors(text)[:1] == [(code, place)]
    assert [item for item in codes(text) if item < "HV5"] == [code]


def test_both_operands_are_reported() -> None:
    text = spec(model="width = (7/2) + 8/0  latent = 4")
    assert errors(text) == [("HV232", "7/2"), ("HV233", "0")]


@pytest.mark.parametrize(("dividend", "near"), [(7, "6 and 8"), (-7, "-8 and -6"), (1, "0 and 2")])
def test_a_remainder_says_what_would_divide(dividend: int, near: str) -> None:
    (item,) = found(spec(model=f"width = {dividend}/2  latent = 4"))
    assert item.label_text == "leaves a remainder of 1"
    assert item.help_text.endswith(f"2 divides {near}")


def test_a_division_before_a_product() -> None:
    text = spec(model="width = 6/4*2  latent = 4")
    (item,) = found(text)
    assert (item.code, item.span.text) == ("HV232", "6/4")
    (way,) = item.suggestions
    assert way.title == "write `6*2/4`"
    assert hvaedsl.loads(edited(text, way.edits)).spec.model.width == 3


def test_a_key_that_takes_fractions_is_proposed_one() -> None:
    text = spec(model="width = 16  latent = 4  bottleneck = 1/4")
    (item,) = found(text)
    assert item.suggestions[0].title == "write `0.25`"
    assert hvaedsl.loads(edited(text, item.suggestions[0].edits)).spec.model.bottleneck == 0.25
    assert found(spec(model="width = 16  latent = 4  bottleneck = 1/3"))[0].suggestions == ()


def test_every_entry_of_a_map_is_reported() -> None:
    text = spec(model="width = 16  latent = 4  bottleneck = {8: 1/2, 4: 1/8}")
    first, second = found(text)
    assert first.help_text == "write `0.5`: a number that is not whole has a decimal point"
    ways = first.suggestions[0].edits + second.suggestions[0].edits
    assert hvaedsl.loads(edited(text, ways)).spec.model.bottleneck == {8: 0.5, 4: 0.125}


@pytest.mark.parametrize(
    ("expression", "code", "hint"),
    [
        ("$s*2, 8d2, 4x1", "HV101", "write `2*$s`"),
        ("$s*$n, 8d2, 4x1", "HV101", "a count is a number, or the name of one"),
        ("$nx2, 8d2, 4x1", "HV208", "the resolution of an entry is a number; only what follows"),
        ("$n x2, 8d2, 4x1", "HV101", "the resolution of an entry is a number; only what follows"),
        ("($n/3)x2, 8d2, 4x1", "HV101", "the resolution of an entry is a number; only what follows"),
        ("2$n, 8d2, 4x1", "HV101", "write `2*$n`"),
        ("8x(2 × $n), 8d2, 4x1", "HV102", "write `*`"),
        ("8x(7 % 2), 8d2, 4x1", "HV102", "arithmetic is addition"),
        ("8x(2^3), 8d2, 4x1", "HV102", "arithmetic is addition"),
        ("8x(4 // 2), 8d2, 4x1", "HV129", "write `/`: it is exact"),
    ],
)
def test_other_notations_of_lists_and_numbers(expression: str, code: str, hint: str) -> None:
    (item,) = [item for item in found(with_lets("n = 3", "s = (8x1, 8x2)", encoder=expression)) if item.code < "HV5"]
    assert item.code == code
    assert item.help_text.startswith(hint)


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("let k = 128 // 2", "let k = 128 / 2"),
        ("let k = $n // 3", "let k = $n / 3"),
        ("let k = ($n + 3) // 2  # half", "let k = ($n + 3) / 2  # half"),
        ("let k = 3 // 4 channels", "let k = 3 # 4 channels"),
        ("let k = 3 // $n of them", "let k = 3 # $n of them"),
        ("let $k = 3", "let k = 3"),
        ("let k = 3.0", "let k = 3"),
    ],
)
def test_other_notations_of_constants(statement: str, read: str) -> None:
    text = spec(top=f"hvae 1\nlet n = 3\n{statement}", encoder="8r$k, 8r$n, 8d2, 4x1")
    item = found(text)[0]
    way = item.ways_out[0]
    assert " ".join(read.split()) in " ".join(edited(text, way.edits).split())
    assert (item.code == "HV129") == ("/ " in read)
    assert item.code != "HV129" or not way.safe


def test_a_second_constant_without_let() -> None:
    text = spec(top="hvae 1\nlet n = 3\nk = 2", encoder="8r$k, 8r$n, 8d2, 4x1")
    (item,) = found(text)
    assert item.help_text.startswith("write `let k` for a constant; every key is in one of the sections")
    assert found(edited(text, item.suggestions[0].edits)) == []


@pytest.mark.parametrize(
    ("expression", "code", "place"),
    [
        ("2*2*8x1, 8d2, 4x1", "HV101", "*"),
        ("(8x1)*2, 8d2, 4x1", "HV101", "*"),
        ("8x1@g*2, 8d2, 4x1", "HV101", "*"),
        ("(2*3)*8r4, 8d2, 4x1", "HV241", "(2*3)"),
        ("($n - 1)*8r4, 8d2, 4x1", "HV241", "($n - 1)"),
        ("$n + 1, 8d2, 4x1", "HV241", "+"),
        ("8x1 - 4x1, 8d2", "HV241", "-"),
        ("8x2/2, 8d2, 4x1", "HV241", "/"),
        ("8x($n/2), 8d2, 4x1", "HV232", "$n/2"),
        ("8r$stage, 8d2, 4x1", "HV235", "$stage"),
        ("$stage*8x1, 8d2, 4x1", "HV101", "*"),
        ("$stage@g, 8d2, 4x1", "HV401", "$stage@g"),
        ("8r($n - 4), 8d2, 4x1", "HV310", "$n - 4"),
        ("$negative, 8d2, 4x1", "HV310", "$negative"),
        ("$negative*8x1, 8d2, 4x1", "HV310", "$negative"),
        ("-8x1, 8d2, 4x1", "HV204", "-8x1"),
        ("8x(1, 2), 8d2, 4x1", "HV101", ","),
    ],
)
def test_arithmetic_in_a_list(expression: str, code: str, place: str) -> None:
    text = with_lets("n = 3", "stage = (8x1, 8x2)", "negative = -1", encoder=expression)
    assert errors(text) == [(code, place)]
    assert all(way.title != "write `1.5`" for item in found(text) for way in item.suggestions)  # a count is whole


def test_a_computed_count_gets_a_name() -> None:
    text = with_lets("n = 3", encoder="($n - 1)*8r4, 8d2, 4x1")
    (item,) = found(text)
    (way,) = item.suggestions
    assert str(hvaedsl.loads(edited(text, way.edits)).spec.model.encoder) == "2*8r4, 8d2, 4x1"
