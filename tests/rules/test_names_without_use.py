"""Labels and constants that nothing else uses: advice HV513 and HV514."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import hvaedsl
from hvaedsl.cli.main import app
from hvaedsl.diagnostics.diagnostic import Diagnostic, edited

SPEC = """hvae 1
{top}
data {{ dataset = digits }}
model {{
  width = 16  latent = 4
  encoder = {encoder}
  decoder = {decoder}
}}
"""


def spec(encoder: str = "8x2, 8d2, 4x1", decoder: str = "4x1, 8m4, 8x2", top: str = "") -> str:
    return SPEC.format(encoder=encoder, decoder=decoder, top=top)


def advice(text: str) -> list[Diagnostic]:
    return [item for item in hvaedsl.loads(text).advice if item.code in ("HV513", "HV514")]


def fixed(text: str) -> str:
    fixes = [item.fix for item in advice(text)]
    return edited(text, [edit for fix in fixes if fix is not None for edit in fix.edits])


@pytest.mark.parametrize(
    ("encoder", "labels"),
    [
        ("8x1@a, 8x1@a, 8d2, 4x1", []),
        ("8x1@a, 8x1, 8d2, 4x1", ["a"]),
        ("8r3@a, 8d2, 4x1", ["a"]),
        ("3*(8x1@a), 8d2, 4x1", []),  # the copies share the block
        ("8x1@a, 8x1@b, 8d2, 4x1", ["a", "b"]),
        ("8x1@a, 8d2@a, 4x1", []),
    ],
)
def test_a_label_with_one_entry_is_reported(encoder: str, labels: list[str]) -> None:
    assert [item.span.text for item in advice(spec(encoder=encoder))] == labels


def test_the_stacks_are_counted_apart() -> None:
    found = advice(spec(encoder="8x1@a, 8d2, 4x1", decoder="4x1@a, 8m4, 8x2"))
    assert [item.message for item in found] == [
        "no other block of the encoder has the label `@a`",
        "no other block of the decoder has the label `@a`",
    ]


def test_a_misspelled_label_gets_the_name_that_was_meant() -> None:
    text = spec(decoder="4x1@deep, 4x1@depe, 4x1@deep, 8m4, 8x2")
    (item,) = advice(text)
    assert item.help_text == "did you mean `@deep`?"
    assert item.fix is not None
    assert not item.fix.safe
    assert fixed(text) == text.replace("depe", "deep")


def test_without_the_label_the_parameters_have_the_same_names() -> None:
    text = spec(encoder="8r2@a, 8 @ b, 8d2, 4x1")
    without = fixed(text)
    assert "@" not in without
    before, after = (hvaedsl.loads(version) for version in (text, without))
    assert before.cost == after.cost
    assert [group.name for group in after.weight_groups] != [group.name for group in before.weight_groups]
    assert advice(without) == []


@pytest.mark.parametrize(
    ("top", "decoder", "names"),
    [
        ("let n = 2", "4x1, 8m4, 8x2", ["n"]),
        ("let n = 2", "4x1, 8m4, 8x$n", []),
        ("let n = 2", "4x1, 8m4, $n*8x1", []),
        ("let n = 2", "4x1, 8m4, 8x2  bias_up_to = $n", []),
        ("let n = 2  let m = 3", "4x1, 8m4, 8x$m", ["n"]),
    ],
)
def test_a_constant_without_use_is_reported(top: str, decoder: str, names: list[str]) -> None:
    text = spec(decoder=decoder, top=top)
    assert [item.span.text for item in advice(text)] == names


def test_a_constant_close_to_one_of_the_base_was_perhaps_meant(tmp_path: Path) -> None:
    (tmp_path / "base.hvae").write_text(spec(decoder="4x1, 8m4, 8x$depth", top="let depth = 2"))
    child = tmp_path / "child.hvae"
    child.write_text('hvae 1\nextends "base.hvae"\nlet dept = 4\n')
    (item,) = hvaedsl.load(child).advice
    assert (item.code, item.help_text) == ("HV514", "did you mean `depth`?")
    child.write_text('hvae 1\nextends "base.hvae"\nlet depth = 4\n')
    assert hvaedsl.load(child).advice == ()


def test_a_base_may_define_constants_for_its_children(tmp_path: Path) -> None:
    base, child = tmp_path / "base.hvae", tmp_path / "child.hvae"
    base.write_text(spec(top="let n = 2"))
    child.write_text('hvae 1\nextends "base.hvae"\nmodel { decoder = 4x1, 8m4, 8x$n }\n')
    assert CliRunner().invoke(app, ["lint", "--no-cache", str(base)]).exit_code == 1
    assert CliRunner().invoke(app, ["lint", "--no-cache", str(tmp_path)]).exit_code == 0
