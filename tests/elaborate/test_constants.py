"""Constants: when they are evaluated, their kinds, and their cycles."""

from __future__ import annotations

from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import edited
from tests.elaborate.written import child, child_errors, codes, found, with_lets


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


def test_let_base() -> None:
    text = with_lets("base = 2", encoder="8x$base, 8d2, 4x1", model='width = 8*$base  latent = 4  # "$base"')
    (item,) = found(text)
    assert (item.code, item.span.text) == ("HV240", "base")
    assert item.fix is not None
    assert not item.fix.safe
    assert hvaedsl.loads(edited(text, item.fix.edits)).spec.model.width == 16


@pytest.mark.parametrize("text", ["", "2*", "2 + "])
def test_a_name_that_the_shell_has_replaced(chain: Path, text: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        child(chain, "", lets={"n": text})
    (item,) = caught.value.diagnostics
    assert item.help_text == "in double quotes the shell replaces `$name`: use single quotes"


def test_constants_of_a_base_that_is_missing() -> None:
    text = 'hvae 1\nextends "gone.hvae"\nlet m = 3*$n\nmodel { width = $m }\n'
    assert codes(text) == ["HV210"]


def test_a_cycle_on_the_command_line(chain: Path) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        child(chain, "", lets={"n": "$n + 1"})
    (item,) = caught.value.diagnostics
    assert item.help_text == "the spec's `n` cannot be reached from here: give the number itself"
