"""The benchmark of lint runs, and what it prints; the bounds themselves hold on a quiet machine (`make bench-lint`)."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from hvaedsl.lint.spec_files import lint_sources
from hvaedsl.syntax.text import source_of


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "lint.py"
    found = importlib.util.spec_from_file_location("benchmark_of_lint", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    monkeypatch.setitem(sys.modules, "benchmark_of_lint", module)
    found.loader.exec_module(module)
    return module


def test_the_variants_are_different_specs_that_say_what_the_shipped_ones_say(
    benchmark: ModuleType, tmp_path: Path
) -> None:
    count = 45  # twice every shipped spec, and some
    benchmark.write_variants(tmp_path / "specs", count)
    files = sorted((tmp_path / "specs").glob("*.hvae"))
    assert len({file.read_text(encoding="utf-8") for file in files}) == count
    unread = {item.code for item in lint_sources(map(source_of, files)).found} - {
        "HV207"
    }  # a base without its children lacks keys
    assert not {code for code in unread if code < "HV5"}


def test_a_broken_bound_is_told(benchmark: ModuleType) -> None:
    kept, broken, shown = (benchmark.Figure(name, 2.0, "s", bound) for name, bound in (("a", 2), ("b", 1), ("c", None)))
    assert [item.holds for item in (kept, broken, shown)] == [True, False, True]
    assert benchmark.table([kept, broken, shown]).splitlines() == [
        "a    2.00 s  at most 2",
        "b    2.00 s  at most 1  EXCEEDED",
        "c    2.00 s",
    ]


def test_a_process_that_fails_is_no_figure(benchmark: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="exited with code 7"):
        benchmark.cpu_seconds(["-c", "raise SystemExit(7)"], benchmark.environment(tmp_path))


@pytest.mark.long
def test_lint_is_not_far_from_its_bounds(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half as much again as the benchmark allows: another load on the machine breaks no test."""
    for name in ("UNCHANGED_RATIO", "FIRST_RATIO", "COLD_CPU_S", "UNCHANGED_CPU_S"):
        monkeypatch.setattr(benchmark, name, getattr(benchmark, name) * 1.5)
    monkeypatch.setattr(sys, "argv", ["lint.py", "--json", "--rounds", "5"])
    assert benchmark.main() == 0
    figures = {item["name"]: item for item in json.loads(capsys.readouterr().out)}
    assert figures["1,000 specs: unchanged"]["value"] < figures["1,000 specs: first"]["value"] / 4
    assert sum(item["bound"] is not None for item in figures.values()) == 4
