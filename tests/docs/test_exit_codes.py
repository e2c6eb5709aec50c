"""The exit codes in docs/language.md are those of the list, and no other file of the code names one."""

from __future__ import annotations

import re
from pathlib import Path

from hvaedsl.diagnostics.errors import ExitCode

ROOT = Path(__file__).parents[2]


def test_the_table_is_the_list() -> None:
    page = (ROOT / "docs" / "language.md").read_text(encoding="utf-8").partition("### Exit codes")[2]
    rows = re.findall(r"^\| (\d+)(?: \+ N)? \| (.*) \|$", page.partition("\n## ")[0], flags=re.MULTILINE)
    assert rows == [(str(code.value), code.meaning) for code in ExitCode]


def test_no_raise_names_a_code() -> None:
    files = [*(ROOT / "hvaedsl").rglob("*.py"), *(ROOT / "runtime").rglob("*.py")]
    named = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"exit_code=[0-9]|sys\.exit\([3-9]|typer\.Exit\([3-9]", line)
    ]
    assert named == []
