"""`extends`, `let` and the command line: who wins, and where a value says that it came from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hvaedsl
from hvaedsl.diagnostics.span import Source
from hvaedsl.program import compile_source

BASE = """hvae 1
let n = 2
let unused = 3
data { dataset = digits  validation = 7 }
model {
  width = 16  latent = 4  widths = {4: 32}
  encoder = 8r$n, 8d2, 4x1
  decoder = 4x1, 8m4, $n*8r$n
}
train { steps = $n  betas = 0.8, 0.8 }
paper { table = "Table 1"  depth = 5 }
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    path = tmp_path / "base.hvae"
    path.write_text(BASE)
    return path


def child(base: Path, text: str, **options: Any) -> hvaedsl.Program:
    path = base.with_name("child.hvae")
    path.write_text(f'hvae 1\nextends "base.hvae"\n{text}\n')
    return hvaedsl.load(path, **options)


def codes(error: pytest.ExceptionInfo[hvaedsl.SpecError]) -> list[str]:
    return [item.code for item in error.value.diagnostics]


def test_sections_merge_by_key_and_values_replace(base: Path) -> None:
    spec = child(base, "model { latent = 5  widths = {8: 16} }  train { betas = 0.7, 0.6 }").spec
    assert (spec.model.width, spec.model.latent, spec.data.validation) == (16, 5, 7)
    assert spec.model.widths == {8: 16}
    assert spec.train.betas == (0.7, 0.6)
    assert spec.train.steps == 2


def test_paper_is_never_inherited(base: Path) -> None:
    assert hvaedsl.load(base).spec.paper.depth == 5
    paper = child(base, "paper { nll = 1.5 }").spec.paper
    assert (paper.table, paper.depth, paper.nll) == (None, None, 1.5)


def test_a_constant_of_the_child_reaches_the_keys_of_the_base(base: Path) -> None:
    assert child(base, "").cost.stochastic_depth == 2 + 2 * 2
    assert child(base, "let n = 4").cost.stochastic_depth == 2 + 4 * 4
    program = child(base, "let n = 4", lets={"n": 5})
    assert program.cost.stochastic_depth == 2 + 5 * 5
    assert program.spec.train.steps == 5


@pytest.mark.parametrize("value", ["1.5", '"3"', "x", "-3.0", "true", "{8: 1}", "f(1)"])
def test_every_constant_is_checked(base: Path, value: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        child(base, f"let spare = {value}")
    assert codes(caught) == ["HV213"]
    with pytest.raises(hvaedsl.SpecError) as caught:
        child(base, "", lets={"unused": value})
    assert codes(caught) == ["HV213"]


def test_a_constant_of_the_command_line_must_be_known(base: Path) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        child(base, "", lets={"m": 3})
    (found,) = caught.value.diagnostics
    assert (found.code, found.span.source.name, found.help_text) == (
        "HV209",
        "--let m",
        "its constants are n and unused",
    )


def test_no_constant_is_called_unknown_where_the_base_cannot_be_read(tmp_path: Path) -> None:
    text = 'hvae 1\nextends "no_such.hvae"\nmodel { width = $n }'
    found = compile_source(Source("child.hvae", text, tmp_path / "child.hvae"), lets={"n": "3"}).diagnostics
    assert [item.code for item in found] == ["HV210"]


def test_the_command_line_wins_and_speaks_the_language(base: Path) -> None:
    sets: dict[str, object] = {
        "train.learning_rate": "1e-4",
        "model.decoder": "4x1, 8m4",
        "model.widths": {4: 64},
        "train.betas": (0.5, 0.25),
        "data.path": '"a b"',
        "train.steps": 9,
    }
    spec = child(base, "train { steps = 5 }", sets=sets).spec
    assert spec.train.learning_rate == 1e-4
    assert str(spec.model.decoder) == "4x1, 8m4"
    assert spec.model.widths == {4: 64}
    assert spec.train.betas == (0.5, 0.25)
    assert spec.data.path == "a b"
    assert spec.train.steps == 9


@pytest.mark.parametrize(
    ("key", "value", "code", "column"),
    [
        ("model.width", "0", "HV205", 1),
        ("model.decoder", "4x1, 8q4", "HV112", 7),
        ("model.width", "", "HV101", 1),
        ("model.width", "16 17", "HV101", 4),
        ("model.width", "$m", "HV208", 1),
        ("width", "3", "HV218", 1),
        ("model.decoder", "4x1, 8m4, 8d2", "HV112", 12),
    ],
)
def test_a_diagnostic_points_into_the_option(base: Path, key: str, value: str, code: str, column: int) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        child(base, "", sets={key: value})
    (found,) = caught.value.diagnostics
    assert (found.code, found.span.source.name, found.span.line, found.span.column) == (code, f"--set {key}", 1, column)


def test_an_override_mends_what_the_file_breaks(base: Path) -> None:
    assert child(base, "model { width = 0 }", sets={"model.width": 8}).spec.model.width == 8


def test_places_of_values_through_bases_and_options(base: Path) -> None:
    program = child(base, "model { latent = 5 }", sets={"model.width": "8"})
    places = {key: str(program.origins[key]) for key in ("model.latent", "model.width", "model.encoder")}
    assert places["model.latent"].endswith("child.hvae:3:18")
    assert places["model.width"] == "--set model.width:1:1"
    assert places["model.encoder"].endswith("base.hvae:7:13")
    assert program.origins["model.encoder"].text == "8r$n, 8d2, 4x1"
    assert program.origins["model.widths.4"].text == "4: 32"
    operation = program.bridge.operations[1]
    assert operation.span is not None
    assert operation.span.text == "8r$n"
    assert operation.span.source.path == base


def test_a_mistake_in_the_base_is_told_at_its_place(base: Path) -> None:
    base.write_text(BASE.replace("8d2", "8d3"))
    with pytest.raises(hvaedsl.SpecError) as caught:
        child(base, "")
    (found,) = caught.value.diagnostics
    assert (found.span.source.path, found.span.line, found.span.column) == (base, 7, 21)


def test_a_mistake_that_the_childs_width_causes_is_told_in_the_child(base: Path) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        child(base, "model { width = 64 }")
    (found,) = caught.value.diagnostics
    assert (found.code, found.span.source.path) == ("HV312", base)


def test_paths_are_relative_to_the_file_then_a_shipped_spec(base: Path) -> None:
    folder = base.parent / "folder"
    folder.mkdir()
    (folder / "leaf.hvae").write_text('hvae 1\nextends "../base.hvae"\n')
    assert hvaedsl.load(folder / "leaf.hvae").bridge == hvaedsl.load(base).bridge
    text = 'hvae 1\nextends "cifar.hvae"'
    assert hvaedsl.loads(text).spec.data.dataset == "cifar10"
    (base.parent / "cifar.hvae").write_text(BASE)
    assert hvaedsl.loads(text, path=base.parent / "leaf.hvae").spec.data.dataset == "digits"


@pytest.mark.parametrize(("make", "kind"), [(os.mkfifo, "not a regular file"), (os.mkdir, "a folder, not a file,")])
def test_a_base_that_is_no_regular_file(base: Path, make: Callable[[Path], None], kind: str) -> None:
    """It is called what it is, and not proposed in place of itself."""
    make(base.with_name("other.hvae"))
    text = 'hvae 1\nextends "other.hvae"'
    (found,) = compile_source(Source("child.hvae", text, base.with_name("child.hvae"))).diagnostics
    assert found.label_text == f"{kind} beside this one and no shipped spec of that name"
    assert "other" not in found.help_text


def test_a_chain_of_many_files(base: Path) -> None:
    before = "base"
    for index in range(30):
        text = f'hvae 1\nextends "{before}.hvae"\nlet n = {index + 1}\n'
        before = f"link{index}"
        base.with_name(f"{before}.hvae").write_text(text)
    assert hvaedsl.load(base.with_name("link29.hvae")).spec.train.steps == 30


def test_the_stem_is_the_name(base: Path) -> None:
    assert child(base, "").name == "child"
    assert hvaedsl.loads(BASE).name == "model"
    assert hvaedsl.loads(BASE, path="folder/other.hvae").name == "other"
