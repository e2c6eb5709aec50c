"""The benchmark of lint runs, and what it prints; the bounds themselves hold on a quiet machine (`make bench-lint`)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import lint
from hvaedsl.lint.linted import lint_sources
from hvaedsl.syntax.text import source_of


def test_the_variants_are_different_specs_that_say_what_the_shipped_ones_say(tmp_path: Path) -> None:
    count = 45  # twice every shipped spec, and some
    lint.write_variants(tmp_path / "specs", count)
    files = sorted((tmp_path / "specs").glob("*.hvae"))
    assert len({file.read_text(encoding="utf-8") for file in files}) == count
    unread = {item.code for item in lint_sources(map(source_of, files)).found} - {
        "HV207"
    }  # a base without its children lacks keys
    assert not {code for code in unread if code < "HV5"}


@pytest.mark.long
def test_lint_is_not_far_from_its_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half as much again as the benchmark allows: another load on the machine breaks no test."""
    for name in ("UNCHANGED_RATIO", "FIRST_RATIO", "COLD_CPU_S", "UNCHANGED_CPU_S"):
        monkeypatch.setattr(lint, name, getattr(lint, name) * 1.5)
    monkeypatch.setattr(sys, "argv", ["lint", "--json", "--rounds", "5"])
    assert lint.main() == 0
    figures = {item["name"]: item for item in json.loads(capsys.readouterr().out)}
    assert figures["1,000 specs: unchanged"]["value"] < figures["1,000 specs: first"]["value"] / 4
    assert sum(item["bound"] is not None for item in figures.values()) == 4
