"""One mistake, one diagnostic: recovery at the next key or brace, and nothing that another error caused."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import Diagnostic

SPEC = """hvae 1
data { dataset = digits }
model {
  width = 16  latent = 4
  encoder = 8x2, 8d2, 4x1
  decoder = 4x1, 8m4, 8x2
}
"""


def found(text: str) -> list[Diagnostic]:
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.loads(text)
    return list(caught.value.diagnostics)


def places(text: str) -> list[tuple[str, int, int]]:
    return [(item.code, item.span.line, item.span.column) for item in found(text)]


@pytest.mark.parametrize(
    ("good", "bad", "place"),
    [
        ("width = 16", "width 16", ("HV101", 4, 3)),
        ("latent = 4", "latent 4", ("HV101", 4, 15)),
        ("width = 16", "width = ", ("HV101", 4, 13)),
        ("width = 16", "width = = 16", ("HV101", 4, 11)),
        ("width = 16", "width = 16;", ("HV125", 4, 13)),
        ("width = 16", "width = 16 17", ("HV101", 4, 14)),
        ("width = 16", "width = 16 widths {4: 32}", ("HV101", 4, 22)),
        ("width = 16", "width = 16 widths = {4 = 32}", ("HV101", 4, 26)),
        ("width = 16", "width = 16 widths = {a = 32}", ("HV101", 4, 24)),
        ("width = 16", "width = 16 widths = {4: 32", ("HV101", 4, 31)),
        ("width = 16", "likelihood = mixture_of_logistics(10 bits = 5) width = 16", ("HV101", 4, 40)),
        ("width = 16", "likelihood = mixture_of_logistics(10, bits = 5 width = 16", ("HV101", 4, 50)),
        ("width = 16  latent", "likelihood = mixture_of_logistics(10, width = 16 latent", ("HV101", 4, 52)),
        ("8x2, 8d2, 4x1", "(8x2, 8d2, 4x1", ("HV101", 6, 3)),
        ("8x2, 8d2, 4x1", "8x2, 8d2, 4x1)", ("HV101", 5, 26)),
        ("8x2, 8d2, 4x1", "8x2, 8d2, 4x1]", ("HV101", 5, 26)),
        ("8x2, 8d2, 4x1", "8x2 8d2, 4x1", ("HV101", 5, 17)),
        ("8x2, 8d2, 4x1", "8x2, 8d2, 4x1,", ("HV101", 5, 26)),
        ("data { dataset = digits }", "data dataset = digits }", ("HV101", 2, 1)),
        ("data { dataset = digits }", "data = { dataset = digits }", ("HV101", 2, 10)),
        ("data { dataset = digits }", "data = digits", ("HV202", 2, 1)),
        ("data { dataset = digits }", "data { dataset = digits", ("HV103", 2, 6)),
        ("data { dataset = digits }", "data { dataset = digits }}", ("HV104", 2, 26)),
        ("data { dataset = digits }", "dataset = digits", ("HV202", 2, 1)),
        ("data {", "dta {", ("HV202", 2, 1)),
        ("hvae 1", "hvae", ("HV101", 2, 1)),
        ("hvae 1", "hvae 1.0", ("HV101", 1, 6)),
        ("hvae 1\n", "", ("HV105", 1, 1)),
        ("hvae 1\n", "let n = 3 hvae 1\n", ("HV105", 1, 1)),
        ("hvae 1", "hvae 1 hvae 1", ("HV111", 1, 8)),
        ("hvae 1", "hvae 1 let", ("HV101", 2, 6)),
        ("hvae 1", "hvae 1 let n 3", ("HV101", 1, 12)),
        ("hvae 1", "hvae 1 extends vdvae.hvae", ("HV122", 1, 16)),
        ("hvae 1", 'hvae 1 let n = 3 extends "vdvae.hvae"', ("HV111", 1, 18)),
        ("hvae 1", 'hvae 1 extends "vdvae.hvae" extends "cifar.hvae"', ("HV203", 1, 29)),
        ("model {", "model { let n = 3", ("HV111", 3, 9)),
    ],
)
def test_one_mistake_is_one_diagnostic(good: str, bad: str, place: tuple[str, int, int]) -> None:
    assert good in SPEC
    assert places(SPEC.replace(good, bad, 1)) == [place]


@pytest.mark.parametrize(
    "text", ["let", "let n", "let n =", "extends", "hvae", "x", "x =", "x {", "{", "}", "(", ",", "= ="]
)
def test_a_fragment_is_told(text: str) -> None:
    assert found(text)
    assert found(f"hvae 1 {text}")


def test_every_mistake_of_a_file_is_told_at_once() -> None:
    text = """hvae 1
let n = 1.5
data { dataset = digit  validation = -1 }
model {
  widht = 16  latent = "4"
  encoder = 8q2, 8d3, 4x1
  decoder = 4x1, 8m3, 8x
  likelihood = mixture(3)
}
train { steps = 0  stps = 4 }
"""
    assert places(text) == [
        ("HV213", 2, 9),
        ("HV206", 3, 18),
        ("HV205", 3, 38),
        ("HV201", 5, 3),
        ("HV204", 5, 24),
        ("HV112", 6, 14),
        ("HV303", 6, 20),
        ("HV307", 7, 20),
        ("HV113", 7, 25),
        ("HV206", 8, 16),
        ("HV205", 10, 17),
        ("HV201", 10, 20),
    ]


@pytest.mark.parametrize(
    "entry",
    ["8q2", "8d", "8d$k", "8d0", "8d3", "0d2", "$k", "8k", "?", "-8d2", '"8d2"', "1" * 16, "8d" + "1" * 16],
)
def test_no_rule_follows_a_walk_that_is_in_doubt(entry: str) -> None:
    """The block behind the wrong entry stands at 4, where a right one would have led."""
    (only,) = found(SPEC.replace("8d2", entry))
    assert only.span.line == 5
    assert only.code not in ("HV302", "HV305")


@pytest.mark.parametrize("entry", ["8m", "8m0", "8m$k", "0m4", "8z4"])
def test_no_rule_follows_a_decoder_that_is_in_doubt(entry: str) -> None:
    (only,) = found(SPEC.replace("4x1, 8m4, 8x2", f"4x1, {entry}, 8x1"))
    assert only.span.line == 6


def test_keys_in_a_row_outside_of_a_section_are_one_mistake() -> None:
    assert places(SPEC.replace("width = 16", "width = 16 }")) == [("HV104", 7, 1)]


def test_missing_keys_are_told_where_nothing_explains_them() -> None:
    assert places("hvae 1\ndata { dataset = digits }\nmodel { width = 16 }\n") == [("HV207", 3, 1)]
    codes = [item.code for item in found(SPEC.replace("width = 16", "foo = 1"))]
    assert sorted(codes) == ["HV201", "HV207"]


def test_sections_may_share_a_line_and_names_may_be_keywords() -> None:
    assert hvaedsl.loads(" ".join(SPEC.split())).bridge == hvaedsl.loads(SPEC).bridge
    (only,) = found(SPEC.replace("width = 16", "width = 16 let = 3"))
    assert only.code == "HV201"


@pytest.mark.parametrize(
    ("good", "bad", "place"),
    [
        ("width = ", "width\u00a0=\u00a0", 6),
        ("width", "wi\u200bdth", 3),
    ],
)
def test_a_strange_character_is_named_and_explains_its_neighbours(good: str, bad: str, place: int) -> None:
    assert good in SPEC
    text = SPEC.replace(good, bad, 1)
    line = next(index for index, row in enumerate(text.splitlines(), 1) if bad in row)
    column = text.splitlines()[line - 1].index(bad) + place
    assert places(text) == [("HV102", line, column)]


def test_a_dotted_key_is_one_mistake() -> None:
    assert [code for code, _, _ in places(SPEC + "model.width = 3\n")] == ["HV127"]
