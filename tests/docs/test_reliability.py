"""Every promise in docs/reliability.md names tests that exist; docs/stability.md explains every kind of finding."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
DOCTOR = ROOT / "runtime" / "hvaedsl_runtime" / "doctor"


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED)))
def test_its_tests_exist(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_fault_has_a_test_and_a_row_of_others() -> None:
    ours, others = PAGE.split("## Other trainers")
    rows = re.findall(r"^\| (\d+) \|(.*)$", ours, flags=re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    assert [number for number, row in rows if "::test_" not in row] == []
    told = re.findall(r"^\| ([\d, ]+) \|", others, flags=re.MULTILINE)
    assert [int(number) for cell in told for number in cell.split(",")] == list(range(1, len(rows) + 1))


def test_every_kind_of_finding_is_explained() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in DOCTOR.glob("*.py"))
    called = re.findall(r"(?:Finding|found)\(\s*\"([a-z0-9-]+)\"", source)
    called += re.findall(r"Finding\.of\(error, \"([a-z-]+)\"", source)
    called += re.findall(r"\"((?:collapsed|unused)-layers)\"", source)
    page = (ROOT / "docs" / "stability.md").read_text(encoding="utf-8")
    table = page.partition("| finding |")[2].partition("\n\n")[0]
    first = "".join(line.split("|")[1] for line in table.splitlines()[2:])
    assert set(re.findall(r"`([a-z0-9-]+)`", first)) == set(called)
