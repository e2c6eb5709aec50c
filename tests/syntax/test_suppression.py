"""`# hvae: ignore[CODE] reason` silences advice on its own line."""

from __future__ import annotations

import pytest

import hvaedsl

SPEC = """hvae 1
data {{ dataset = digits }}
model {{
  width = 16  latent = 4
  widths = {{2: 32}}  {comment}
  encoder = 8x2, 8d2, 4x1
  decoder = 4x1, {decoder}
}}
"""


def codes(comment: str, decoder: str = "8m4, 8x2") -> list[str]:
    return [item.code for item in hvaedsl.loads(SPEC.format(comment=comment, decoder=decoder)).advice]


@pytest.mark.parametrize(
    "comment",
    [
        "# hvae: ignore[HV502] kept for the sweep",
        "#hvae:ignore[HV502]",
        "# hvae: ignore[HV501, HV502] both",
        "# see below # hvae: ignore[ HV502 ]",
    ],
)
def test_a_line_silences_the_codes_it_names(comment: str) -> None:
    assert codes(comment) == []


@pytest.mark.parametrize("comment", ["", "# hvae: ignore[HV501]", "# hvae: ignore HV502", "# HV502"])
def test_nothing_else_does(comment: str) -> None:
    assert codes(comment) == ["HV502"]


def test_other_lines_still_speak() -> None:
    assert codes("# hvae: ignore[HV502, HV503]", decoder="8x2") == ["HV503"]


def test_an_error_is_not_silenced() -> None:
    with pytest.raises(hvaedsl.SpecError, match="HV307"):
        codes("", decoder="8m3, 8x2  # hvae: ignore[HV307]")
