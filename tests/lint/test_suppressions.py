"""HV590, HV591: comments that silence nothing, in files and in their bases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]  # of the fixture `hvae`

BASE = """hvae 1
data { dataset = digits }
model {
  width = 16  latent = 4
  widths = {2: 64}  # hvae: ignore[HV502] for the deep ones
  encoder = 8x2, 8d2, 4x1
  decoder = 4x1, 8m4, 8x2
}
"""
DEEP = """hvae 1
extends "base.hvae"
model {
  encoder = 8x2, 8d2, 4x1, 4d2, 2x1
  decoder = 2x1, 4m2, 8m4, 8x2
}
"""


@pytest.fixture
def lint(hvae: Command) -> Callable[..., list[str]]:
    def places(*arguments: str) -> list[str]:
        out = hvae("lint", *arguments, "--format", "concise").out
        return [" ".join(line.split()[:2]) for line in out.splitlines()]

    return places


def test_a_base_is_judged_by_all_that_extend_it(lint: Callable[..., list[str]]) -> None:
    Path("base.hvae").write_text(BASE)
    Path("deep.hvae").write_text(DEEP)
    Path("shallow.hvae").write_text('hvae 1\nextends "base.hvae"\n')
    assert lint("base.hvae") == [], "it is used by the base itself"
    assert lint("deep.hvae") == [], "a base that is not linted is not judged"
    assert lint("shallow.hvae", "deep.hvae", "base.hvae") == []
    everywhere = BASE.replace("8d2, 4x1", "8d2, 4x1, 4d2, 2x1").replace("4x1, 8m4", "2x1, 4m2, 8m4")
    Path("base.hvae").write_text(everywhere)
    assert lint("base.hvae", "deep.hvae") == ["base.hvae:5:21: HV590"]


def test_a_base_that_is_no_spec_alone(lint: Callable[..., list[str]]) -> None:
    Path("base.hvae").write_text(BASE.replace("width = 16", ""))
    Path("child.hvae").write_text('hvae 1\nextends "base.hvae"\nmodel { width = 16 }  # hvae: ignore[HV501]\n')
    assert lint("base.hvae", "child.hvae") == ["child.hvae:3:23: HV590"]


def test_where_it_cannot_be_known(lint: Callable[..., list[str]]) -> None:
    Path("a.hvae").write_text(BASE.replace("{2: 64}", "{4: 64}"))
    assert lint("a.hvae") == ["a.hvae:5:21: HV590"]
    assert lint("a.hvae", "--set", "model.width=32") == [], "with other values other lines are suppressed"
    Path("a.hvae").write_text(BASE.replace("8d2", "8d3"))
    assert lint("a.hvae") == ["a.hvae:6:20: HV303"], "an error hides all advice"


@pytest.mark.parametrize(
    "text",
    [
        BASE.replace("HV502]", "HV502, HV590]"),
        BASE.replace("{2: 64}", "{4: 64}").replace("HV502]", "HV502, HV590]"),
        BASE.replace("{2: 64}", "{4: 64}").replace("# hvae: ignore[HV502]", "# hvae ignores HV502, see hvae: ignored"),
        BASE.replace("{2: 64}", "{4: 64}").replace("HV502] for", "HV591] not `# hvae: ignore HV502` for"),
        BASE.replace("dataset = digits", 'dataset = digits  path = "# hvae: ignore[HV502]"'),
    ],
)
def test_what_is_none(text: str, lint: Callable[..., list[str]]) -> None:
    Path("a.hvae").write_text(text)
    assert lint("a.hvae") == []


@pytest.mark.parametrize(
    ("comment", "reason", "written"),
    [
        ("# hvae: ignore", "no code given", "HV502"),
        ("#hvae:ignore[] for later", "no code given", "HV502"),
        ("# hvae: ignore HV502, HV503", "the codes must be in brackets", "HV502, HV503"),
        ("# hvae: ignore[hv502]", "codes must be uppercase and separated by commas", "HV502"),
        ("# HVAE: ignore[HV502]", "codes must be uppercase and separated by commas", "HV502"),
        ("# wide  # hvae: ignore[HV501 HV502]", "codes must be uppercase and separated by commas", "HV501, HV502"),
    ],
)
def test_what_cannot_be_read(comment: str, reason: str, written: str, hvae: Command) -> None:
    Path("a.hvae").write_text(
        BASE.replace("{2: 64}", "{4: 64}").replace("# hvae: ignore[HV502] for the deep ones", comment)
    )
    ended = hvae("lint", "a.hvae")
    assert ended.code == 1
    assert "advice[HV591]: invalid `hvae: ignore` comment" in ended.out
    assert f"^ {reason}\n" in ended.out
    assert f"= help: write `# hvae: ignore[{written}] reason`" in ended.out
    Path("a.hvae").write_text(BASE.replace("for the deep ones", "# hvae: ignore HV503"))
    assert hvae("lint", "a.hvae").code == 0, "one comment is one, and its first brackets count"


def test_configuration_does_not_make_a_comment_unused(lint: Callable[..., list[str]]) -> None:
    Path("pyproject.toml").write_text('[tool.hvaedsl]\nignore = ["HV502"]\n')
    Path("a.hvae").write_text(BASE)
    assert lint("a.hvae") == []
    Path("a.hvae").write_text(BASE.replace("{2: 64}", "{4: 64}"))
    assert lint("a.hvae", "--ignore", "HV59") == []
