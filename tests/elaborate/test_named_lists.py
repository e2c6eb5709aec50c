"""Named lists and `$base`: the entries in their place, and where their mistakes are reported."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import edited
from hvaedsl.diagnostics.snippet import spec
from tests.elaborate.written import child, child_errors, codes, errors, found, with_lets


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


def test_lists_without_blocks_take_no_time() -> None:
    lets = [*(f"s{at} = ($s{at + 1}, $s{at + 1})" for at in range(60)), "s60 = (8x0, 8x0)"]
    start = time.process_time()
    codes(with_lets(*lets, encoder="8x1, $s0, 8d2, 4x1"))
    assert time.process_time() - start < 2


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


def test_the_last_block_of_a_named_list_stays_a_block() -> None:
    """Without `8x0`, `(8)` would be the number 8."""
    for value in ("(8x0, 8)", "(8x0, 2*(8))"):
        text = with_lets(f"s = {value}", encoder="$s, 8d2, 4x1")
        assert [(item.code, item.fix) for item in found(text)] == [("HV515", None)]
    (item,) = found(with_lets("s = (8x0, 8x1)", encoder="$s, 8d2, 4x1"))
    assert item.fix is not None


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


@pytest.mark.parametrize("name", ["bse", "Base"])
def test_a_name_like_that_of_the_list_of_the_base(chain: Path, name: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        child(chain, f"model {{ encoder = 8x3, ${name} }}")
    (finding,) = caught.value.diagnostics
    assert (finding.code, finding.fix is not None and finding.fix.title) == ("HV208", "write `$base`")
    # Where a number belongs, and in a spec without a base, `$base` would be a mistake too.
    for text in (spec(encoder=f"8x${name}, 8d2, 4x1"), spec(decoder=f"${name}, 8x1")):
        assert [(item.code, item.fix) for item in found(text)] == [("HV208", None)]
