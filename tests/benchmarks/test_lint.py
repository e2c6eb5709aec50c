"""The benchmark of lint runs, and what it prints; the bounds themselves hold on a quiet machine (`make bench-lint`)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import lint
from hvaedsl.ir.bridge_text import bridge_text
from hvaedsl.program import Program, compile_source
from hvaedsl.syntax.text import source_of


def variants(folder: Path, count: int) -> dict[str, Program]:
    """The programs of written variants, by the names of their files."""
    lint.write_variants(folder, count)
    files = sorted(folder.glob("*.hvae"))
    assert len(files) == count
    compiled = {file.name: compile_source(source_of(file)) for file in files}
    assert {name: item.diagnostics for name, item in compiled.items() if item.program is None} == {}
    return {name: item.program for name, item in compiled.items() if item.program is not None}


def test_the_variants_are_specs_of_different_models(tmp_path: Path) -> None:
    programs = variants(tmp_path / "specs", 120)
    texts = [bridge_text(item.bridge) for item in programs.values()]
    assert len(set(texts)) == 120
    written = {name: (tmp_path / "specs" / name).read_text(encoding="utf-8") for name in programs}
    assert sum('extends "base_' in text for text in written.values()) == 12
    assert sum("$stage" in text for text in written.values()) == 12
    assert sum(name.startswith("base_") for name in written) == 10


@pytest.mark.long
def test_no_two_of_a_thousand_have_the_same_bridge(tmp_path: Path) -> None:
    programs = variants(tmp_path / "specs", lint.SPECS)
    assert len({bridge_text(item.bridge) for item in programs.values()}) == lint.SPECS
    written = [(tmp_path / "specs" / name).read_text(encoding="utf-8") for name in programs]
    assert sum('extends "base_' in text for text in written) == 100
    assert sum("$stage" in text for text in written) == 100


@pytest.mark.long
def test_lint_is_not_far_from_its_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half as much again as the benchmark allows: another load on the machine breaks no test.

    On a loaded machine the two processes of a cold run share less than two cores, so elapsed time has no bound here.
    """
    for name in ("UNCHANGED_RATIO", "FIRST_RATIO", "UNCHANGED_CPU_UNITS"):
        monkeypatch.setattr(lint, name, getattr(lint, name) * 1.5)
    monkeypatch.setattr(lint, "COLD_ELAPSED_UNITS", None)
    monkeypatch.setattr(sys, "argv", ["lint", "--json", "--rounds", "5", "--many-rounds", "1"])
    assert lint.main() == 0
    figures = {item["name"]: item for item in json.loads(capsys.readouterr().out)}
    assert figures["1,000 specs: unchanged, CPU"]["value"] < figures["1,000 specs: first, CPU"]["value"] / 4
    assert sum(item["bound"] is not None for item in figures.values()) == 3
