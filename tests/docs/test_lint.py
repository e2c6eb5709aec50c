"""docs/lint.md: its tables name the codes that have fixes, and its examples are what the commands take and print."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hvaedsl.cli.main import app
from hvaedsl.diagnostics.span import Source
from hvaedsl.lint.configuration_table import Table
from hvaedsl.lint.linted import lint_sources
from hvaedsl.rules import KINDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "lint.md").read_text(encoding="utf-8")
ONLY_HERE = {"HV112", "HV114", "HV208"}  # whose bad snippets have no fix; tests/lint/test_fixes.py has others


def codes_of(table: str) -> set[str]:
    rows = re.search(rf"\| code \| {table} fix \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE)
    assert rows is not None
    return set(re.findall(r"HV\d{3}", "".join(row.split("|")[1] for row in rows[1].splitlines())))


def test_the_tables_name_what_has_fixes(tmp_path: Path) -> None:
    snippets = [Source(f"{code}.hvae", kind.bad, tmp_path / f"{code}.hvae") for code, kind in KINDS.items() if kind.bad]
    found = [item for item in lint_sources(snippets).found if item.fix is not None]
    safe = {item.code for item in found if item.fix is not None and item.fix.safe}
    unsafe = {item.code for item in found} - safe
    assert codes_of("unsafe") == unsafe | ONLY_HERE
    assert codes_of("safe") == safe | {"HV101", "HV102", "HV216", "HV590"}


def test_the_object_of_json_is_what_is_printed() -> None:
    """The golden of the format has the same finding, in a file of another name."""
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    printed = json.loads((ROOT / "tests" / "lint" / "formats" / "json.json").read_text(encoding="utf-8"))
    (found,) = (item for item in printed if item["code"] == "HV502")
    assert json.loads(example) == found | {"path": "specs/wide.hvae"}


def test_the_configuration_can_be_read() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    read = Table.model_validate(tomllib.loads(example)["tool"]["hvaedsl"])
    assert read.select == ("HV5", "HV601")
    assert set(read.per_file_ignores) == {"specs/ablations/", "*_sweep.hvae"}


COMMANDS = re.findall(r"^hvaedsl (lint .*?)(?: +#.*| < .*)?$", PAGE, flags=re.MULTILINE)
WORKFLOW = (ROOT / "examples" / "github-actions" / "lint-specs.yml").read_text(encoding="utf-8")
IN_CI = re.findall(r"run: hvaedsl (.*?)(?: >.*)?$", WORKFLOW, flags=re.MULTILINE)
HOOKS = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
ENTRIES = re.findall(r"entry: hvaedsl (.*)$", HOOKS, flags=re.MULTILINE)


@pytest.mark.parametrize("command", [*COMMANDS, *IN_CI, *(f"{entry} specs/a.hvae" for entry in ENTRIES)])
def test_the_commands_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("specs").mkdir()
    text = (ROOT / "specs" / "digits.hvae").read_text(encoding="utf-8")
    Path("specs/a.hvae").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(app, command.split(), input=text)
    assert done.exit_code == 0, done.output


def test_how_many_there_are() -> None:
    assert (len(COMMANDS), len(IN_CI), ENTRIES) == (5, 3, ["lint", "fmt"])
