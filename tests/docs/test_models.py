"""docs/models.md shows what `hvaedsl table specs/` prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hvaedsl.cli.main import app

ROOT = Path(__file__).parents[2]


def test_the_table_is_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    done = CliRunner().invoke(app, ["table", str(ROOT / "specs")])
    assert done.exit_code == 0
    printed = [line.split() for line in done.stdout.splitlines() if line.strip()]
    page = [line.split() for line in (ROOT / "docs" / "models.md").read_text(encoding="utf-8").splitlines()]
    assert [line for line in printed if line not in page] == []
