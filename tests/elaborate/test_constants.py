"""Arithmetic, named lists and `$base`: their values, and where their mistakes are reported."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import Diagnostic, edited
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.diagnostics.span import Source
from hvaedsl.program import compile_source


def found(text: str, **options: Any) -> list[Diagnostic]:
    return list(compile_source(Source("a.hvae", text), **options).diagnostics)


def codes(text: str, **options: Any) -> list[str]:
    return [item.code for item in found(text, **options)]


def errors(text: str, **options: Any) -> list[tuple[str, str]]:
    """Each finding's code and the text that it points at."""
    return [(item.code, item.span.text) for item in found(text, **options)]


def with_lets(*lets: str, **parts: str) -> str:
    return spec(top="\n".join(["hvae 1", *(f"let {item}" for item in lets)]), **parts)


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


def test_twins_of_numbers_and_lists() -> None:
    """`*` multiplies in a number and repeats in a list."""
    data = "dataset = npy  channels = 1  resolution = 16"
    number = hvaedsl.loads(with_lets("a = 2*8", data=data, encoder="$a, 16d2, 8d8, 1", decoder="1, 16m1, $a"))
    assert str(number.spec.model.encoder).startswith("16x1, ")
    repeated = hvaedsl.loads(with_lets("a = 2*(8x1)", encoder="$a, 8d8, 1", decoder="1, 8m1, 2*8"))
    assert str(repeated.spec.model.encoder) == "2*8x1, 8d8, 1x1"
    assert str(repeated.spec.model.decoder) == "1x1, 8m1, 2*8x1"


@pytest.mark.parametrize(
    ("expression", "written"),
    [
        ("$stage, 8d2, 4x1", "8x1, 8r3, 8d2, 4x1"),
        ("2*$stage, 8d2, 4x1", "2*(8x1, 8r3), 8d2, 4x1"),
        ("($stage), 8d2, 4x1", "8x1, 8r3, 8d2, 4x1"),
        ("$twice, 8d2, 4x1", "8x1, 8r3, 8x1, 8r3, 8d2, 4x1"),
        ("8r($n - 1), 8d2, 4x1", "8r2, 8d2, 4x1"),
        ("8r($n)@g, 2*(8r($n*2)@g), 8d(4/2), 4x1", "8r3@g, 2*8r6@g, 8d2, 4x1"),
        ("$n*$stage, 8d2, 4x1", "3*(8x1, 8r3), 8d2, 4x1"),
        ("$none*$stage, 8x1, 8d2, 4x1", "8x1, 8d2, 4x1"),
    ],
)
def test_named_lists(expression: str, written: str) -> None:
    lets = "twice = $stage, $stage", "stage = (8x1, 8r$n)", "n = 3", "none = 0"
    read = hvaedsl.loads(with_lets(*lets, encoder=expression))
    plain = hvaedsl.loads(spec(encoder=written))
    assert str(read.spec.model.encoder) == written
    assert read.spec == plain.spec.model_copy(update={"name": read.spec.name})
    assert read.bridge == plain.bridge


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


# --- kinds and cycles


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A base, and a spec between it and the child that the tests write."""
    (tmp_path / "pyproject.toml").touch()
    base = with_lets(
        "n = 2", "m = 2*$n", "stage = (8x$n, 8r2)", encoder="$stage, 8d2, 4x1", rest="train { steps = $m }"
    )
    (tmp_path / "base.hvae").write_text(base)
    (tmp_path / "middle.hvae").write_text('hvae 1\nextends "base.hvae"\nsample { count = $m }\n')
    return tmp_path


def child(chain: Path, text: str, **options: Any) -> hvaedsl.Program:
    path = chain / "child.hvae"
    path.write_text(f'hvae 1\nextends "middle.hvae"\n{text}\n')
    return hvaedsl.load(path, **options)


def child_errors(chain: Path, text: str, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(hvaedsl.SpecError) as caught:
        child(chain, text, **options)
    return [(item.code, item.span.text) for item in caught.value.diagnostics]


def test_constants_are_evaluated_after_the_merge(chain: Path) -> None:
    assert child(chain, "").spec.train.steps == 4
    assert child(chain, "let n = 5").spec.train.steps == 10
    program = child(chain, "let n = 5", lets={"m": "3*$n", "n": 7})
    assert (program.spec.train.steps, program.spec.sample.count) == (21, 21)
    assert child(chain, "let stage = (8x1, 8x$m)").spec.model.encoder.applications == 1 + 4 + 2
    assert child(chain, "", lets={"stage": "(8r4, 8x1)"}).spec.model.encoder.applications == 5 + 2


def test_an_overridden_definition_is_not_evaluated(chain: Path) -> None:
    (chain / "base.hvae").write_text((chain / "base.hvae").read_text().replace("m = 2*$n", "m = 1/0"))
    assert child_errors(chain, "") == [("HV233", "0")]
    assert child(chain, "let m = 3").spec.train.steps == 3


@pytest.mark.parametrize(
    ("lets", "code", "place"),
    [
        ("let stage = 3", "HV236", "3"),
        ("let stage = $n", "HV236", "$n"),
        ("let n = 8x1", "HV235", "8x1"),
        ("let n = 1, 2", "HV235", "1, 2"),
        ("let n = $stage", "HV235", "$stage"),
        ("let m = $n  let n = 1.5", "HV213", "1.5"),
    ],
)
def test_a_name_keeps_its_kind(chain: Path, lets: str, code: str, place: str) -> None:
    assert child_errors(chain, lets) == [(code, place)]


def test_a_name_keeps_its_kind_on_the_command_line(chain: Path) -> None:
    assert child_errors(chain, "", lets={"n": "(8x1, 8x1)"}) == [("HV235", "(8x1, 8x1)")]
    assert child_errors(chain, "", lets={"stage": "4"}) == [("HV236", "4")]


@pytest.mark.parametrize(
    ("lets", "path"),
    [
        ("let n = $n + 1", "n -> n"),
        ("let n = $m", "n -> m -> n"),
        ("let a = $b  let b = 2*$c  let c = $a", "a -> b -> c -> a"),
        ("let stage = ($stage, 8x1)", "stage -> stage"),
        ("let a = $b  let b = $b", "b -> b"),
    ],
)
def test_a_cycle_is_one_error(chain: Path, lets: str, path: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        child(chain, lets)
    (item,) = caught.value.diagnostics
    assert item.message == f"a constant is defined by itself: {path}"
    assert Path(item.span.source.name).name == "child.hvae"
    assert len(item.secondary) == path.count("->") - 1
    if path == "n -> n":
        assert item.help_text == "the base's `n` cannot be reached from here: give the result a new name"


def test_a_long_chain_of_constants() -> None:
    lets = ["a0 = 1", *(f"a{at} = $a{at - 1} + 1" for at in range(1, 3000))]
    program = hvaedsl.loads(with_lets(*reversed(lets), rest="train { steps = $a2999 }"))
    assert program.spec.train.steps == 3000
    cycle = [f"b{at} = $b{(at + 1) % 3000}" for at in range(3000)]
    assert codes(with_lets(*cycle)) == ["HV237"]


def test_doubling_lists_end_in_one_diagnostic() -> None:
    lets = ["a0 = (8x1, 8x1)", *(f"a{at} = ($a{at - 1}, $a{at - 1})" for at in range(1, 40))]
    text = with_lets(*lets, encoder="$a39, 8d2, 4x1")
    codes(text)
    start = time.process_time()
    (item,) = found(text)
    assert time.process_time() - start < 0.5
    assert (item.code, f"{2**40 + 2:,}" in item.message) == ("HV313", True)
    assert "HV313" not in codes(with_lets(*lets))  # nothing uses it
    assert codes(with_lets(*lets, encoder="8x1, 0*$a39, 8d2, 4x1"))[:1] != ["HV313"]


def test_lists_are_nested_only_so_deep() -> None:
    lets = ["a0 = (8x1, 8r2)", *(f"a{at} = 1*(2*$a{at - 1})" for at in range(1, 200))]
    assert codes(with_lets(*lets)) == ["HV109"]


# --- mistakes in lists, and in their use


def test_a_mistake_in_a_definition_is_reported_there_once() -> None:
    text = with_lets("stage = (8q2, 8x, 8x0/2)", encoder="$stage, $stage, 8d2, 4x1", decoder="4x1, 8m4, $stage")
    assert errors(text) == [("HV112", "q"), ("HV113", ""), ("HV241", "/")]
    assert errors(text.replace("$stage", "8x1")) == errors(text)


def test_a_mistake_of_a_use_is_at_the_outermost_use() -> None:
    lets = "down = (8d2, 4x1)", "outer = ($down, 4x1)"
    (item,) = found(with_lets(*lets, decoder="4x1, 8m4, $outer"))
    assert (item.code, item.span.text, item.secondary[0].span.text) == ("HV112", "$outer", "8d2")
    (item,) = found(with_lets("stage = (8x1, 4x1)", encoder="8x2, $stage", decoder="4x1, 8m4, 8x1"))
    assert (item.code, item.span.text, item.secondary[0].span.text) == ("HV302", "$stage", "4x1")


def test_a_fix_edits_a_definition_that_has_no_other_use() -> None:
    one = with_lets("stage = (8x1, 4x1)", encoder="8x2, $stage")
    (item,) = found(one)
    assert item.fix is not None
    assert "let stage = (8x1, 8d2, 4x1)" in edited(one, item.fix.edits)
    two = with_lets("stage = (8x1, 4x1)", encoder="8x2, $stage", decoder="4x1, 8m4, 8x1, 0*$stage")
    assert [(item.code, item.fix) for item in found(two)] == [("HV302", None)]


def test_advice_on_a_definition_is_given_there_once() -> None:
    text = with_lets("stage = (8r1, 8x0, 8x1, 8x1)", encoder="$stage, $stage, 8d2, 4x1", decoder="4x1, 8m4, 2*$stage")
    assert errors(text) == [("HV509", "8r1"), ("HV515", "8x0"), ("HV510", "8x1, 8x1")]
    for item in found(text):
        assert item.fix is not None
        changed = edited(text, item.fix.edits)
        assert hvaedsl.loads(changed).bridge == hvaedsl.loads(text).bridge
        assert len(found(changed)) == 2


def test_let_base() -> None:
    text = with_lets("base = 2", encoder="8x$base, 8d2, 4x1", model='width = 8*$base  latent = 4  # "$base"')
    (item,) = found(text)
    assert (item.code, item.span.text) == ("HV240", "base")
    assert item.fix is not None
    assert not item.fix.safe
    assert hvaedsl.loads(edited(text, item.fix.edits)).spec.model.width == 16


# --- the base's list


def test_the_list_of_the_base(chain: Path) -> None:
    model = child(chain, "model { encoder = 8x3, $base, 2*(4x2)  decoder = $base, 8x1 }  let n = 1").spec.model
    assert str(model.encoder) == "8x3, 8x1, 8r2, 8d2, 4x1, 2*4x2"
    assert str(model.decoder) == "4x1, 8m4, 8x2, 8x1"
    model = child(chain, "model { encoder = 8x3, $base }", sets={"model.encoder": "8x7, $base"}).spec.model
    assert str(model.encoder) == "8x7, 8x3, 8x2, 8r2, 8d2, 4x1"


def test_the_list_of_the_base_more_than_once(chain: Path) -> None:
    (chain / "middle.hvae").write_text('hvae 1\nextends "base.hvae"\nmodel { decoder = $base, 8x1@g }\n')
    model = child(chain, "model { decoder = $base, 8r2@g, 2*$base }").spec.model
    assert str(model.decoder) == "4x1, 8m4, 8x2, 8x1@g, 8r2@g, 2*(4x1, 8m4, 8x2, 8x1@g)"
    (chain / "base.hvae").write_text(with_lets("n = 2", encoder="8x1, 8d2, 4x1"))
    (chain / "middle.hvae").write_text('hvae 1\nextends "base.hvae"\nmodel { encoder = 8x$n, $base }\n')
    model = child(chain, "model { encoder = 8x3, $base }  let n = 4").spec.model
    assert str(model.encoder) == "8x3, 8x4, 8x1, 8d2, 4x1"


def test_the_base_of_other_lists(chain: Path) -> None:
    (chain / "middle.hvae").write_text(
        'hvae 1\nextends "base.hvae"\nmodel { fourier { at = image, block  exponents = 7 } }\n'
    )
    fourier = child(chain, "model { fourier { at = $base, sample  exponents = 3, $base, 9 } }").spec.model.fourier
    assert (fourier.at, fourier.exponents) == (("image", "block", "sample"), (3, 7, 9))
    assert child_errors(chain, "model { fourier { at = $base, image } }") == [("HV216", "image")]
    assert child_errors(chain, "model { fourier { at = image, $base } }") == [("HV216", "$base")]


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("model { fourier { at = $base } }", "HV238", "$base"),
        ("model { widths = $base }", "HV239", "$base"),
        ("model { widths = {8: $base} }", "HV239", "$base"),
        ("model { encoder = $base@g, 4x1 }", "HV401", "$base@g"),
        ("let stage = ($base, 8x1)", "HV239", "$base"),
        ("let n = $base", "HV239", "$base"),
        ("data { dataset = $base }", "HV239", "$base"),
        ("sample { count = $base }", "HV239", "$base"),
    ],
)
def test_where_the_base_is_not(chain: Path, text: str, code: str, place: str) -> None:
    assert child_errors(chain, text) == [(code, place)]


def test_no_error_about_a_base_that_is_lost(chain: Path) -> None:
    base = chain / "base.hvae"
    base.write_text(base.read_text().replace("8d2, 4x1\n", "8d2 4x1\n"))
    assert child_errors(chain, "model { encoder = $base, 4x1 }") == [("HV101", "4x1")]
    (chain / "child.hvae").write_text('hvae 1\nextends "none.hvae"\nmodel { encoder = $base, 4x1 }\n')
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.load(chain / "child.hvae")
    assert [item.code for item in caught.value.diagnostics] == ["HV210"]


def test_a_mistake_in_the_list_of_the_base(chain: Path) -> None:
    base = chain / "base.hvae"
    base.write_text(base.read_text().replace("8d2, 4x1\n", "8q2, 8d2, 4x1\n"))
    assert child_errors(chain, "model { encoder = $base, $base }") == [("HV112", "q")]
    base.write_text(base.read_text().replace("8q2, 8d2, 4x1\n", "8d2, 4x1\n"))
    with pytest.raises(hvaedsl.SpecError) as caught:
        child(chain, "model { encoder = $base, 8x1 }")
    (item,) = caught.value.diagnostics
    assert (item.code, item.span.text) == ("HV302", "8x1")
    with pytest.raises(hvaedsl.SpecError) as caught:
        child(chain, "model { encoder = 8d2, $base }")
    (item,) = caught.value.diagnostics
    assert (item.code, item.span.text, item.secondary[0].span.source.name) == ("HV302", "$base", str(base))


@pytest.mark.parametrize("text", ["", "2*", "2 + "])
def test_a_name_that_the_shell_has_replaced(chain: Path, text: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        child(chain, "", lets={"n": text})
    (item,) = caught.value.diagnostics
    assert item.help_text == "in double quotes the shell replaces `$name`: use single quotes"


# --- what a newcomer writes


def test_the_last_block_of_a_named_list_stays_a_block() -> None:
    """Without `8x0`, `(8)` would be the number 8."""
    for value in ("(8x0, 8)", "(8x0, 2*(8))"):
        text = with_lets(f"s = {value}", encoder="$s, 8d2, 4x1")
        assert [(item.code, item.fix) for item in found(text)] == [("HV515", None)]
    (item,) = found(with_lets("s = (8x0, 8x1)", encoder="$s, 8d2, 4x1"))
    assert item.fix is not None


def test_lists_without_blocks_take_no_time() -> None:
    lets = [*(f"s{at} = ($s{at + 1}, $s{at + 1})" for at in range(60)), "s60 = (8x0, 8x0)"]
    start = time.process_time()
    codes(with_lets(*lets, encoder="8x1, $s0, 8d2, 4x1"))
    assert time.process_time() - start < 2


def test_constants_of_a_base_that_is_missing() -> None:
    text = 'hvae 1\nextends "gone.hvae"\nlet m = 3*$n\nmodel { width = $m }\n'
    assert codes(text) == ["HV210"]


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


def test_a_cycle_on_the_command_line(chain: Path) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        child(chain, "", lets={"n": "$n + 1"})
    (item,) = caught.value.diagnostics
    assert item.help_text == "the spec's `n` cannot be reached from here: give the number itself"
