from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hvaedsl.cli.main import app
from hvaedsl.diagnostics.errors import SpecError, UsageError

SPEC = """hvae 1
let n = 2
data { dataset = digits }
model { width = 16  latent = 4  encoder = 8r$n, 8d2, 4x1  decoder = 4x1, 8m4, 8x2 }
"""
RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.hvae").write_text(SPEC)
    Path("b.hvae").write_text(SPEC.replace("latent = 4", "latent = 6"))
    Path("bad.hvae").write_text(SPEC.replace("8d2", "8q2"))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("a.hvae a.hvae", 0),
        ("a.hvae b.hvae", 1),
        ("a.hvae b.hvae --exit-zero", 0),
        ("a.hvae b.hvae --set model.latent=5", 0),
        ("digits specs/digits.hvae", 0),
        ("a.hvae bad.hvae", 2),
        ("a.hvae bad.hvae --exit-zero", 2),
        ("a.hvae a.hvae --set model.widht=3", 2),
        ("a.hvae", 2),
        ("a.hvae b.hvae --format html", 2),
    ],
)
def test_exit_codes(arguments: str, code: int) -> None:
    assert RUNNER.invoke(app, ["diff", *arguments.split()]).exit_code == code


def test_a_file_that_is_not_there() -> None:
    result = RUNNER.invoke(app, ["diff", "a.hvae", "missing.hvae"])
    assert isinstance(result.exception, UsageError)
    assert "missing.hvae" in str(result.exception)
    assert not isinstance(result.exception, SpecError)


def test_the_side_with_mistakes_is_named() -> None:
    result = RUNNER.invoke(app, ["diff", "bad.hvae", "a.hvae"])
    assert result.stdout == ""
    assert result.stderr.startswith("bad.hvae does not compile:\n\nerror[HV112]")
    assert "bad.hvae:4:" in result.stderr
    assert "a.hvae does not" not in result.stderr.replace("bad.hvae does not", "")


def test_overrides_count_for_both_sides() -> None:
    found = json.loads(RUNNER.invoke(app, ["diff", "a.hvae", "b.hvae", "--format", "json", "--let", "n=5"]).stdout)
    assert [change["key"] for change in found["keys"]] == ["model.latent"]
    assert found["before"]["blocks"] == found["after"]["blocks"] == 11
    assert found["weights"]["load"] is False


def test_both_are_drawn() -> None:
    assert RUNNER.invoke(app, ["diff", "a.hvae", "b.hvae", "--render"]).exit_code == 1
    assert "before: a" in Path("a-b.svg").read_text().replace("&#160;", " ")
    RUNNER.invoke(app, ["diff", "a.hvae", "b.hvae", "--out", "both.png"])
    assert Path("both.png").read_bytes().startswith(b"\x89PNG")


def test_markdown_of_a_revision() -> None:
    for arguments in (
        ["init", "--quiet"],
        ["add", "."],
        ["-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "one"],
    ):
        subprocess.run(["git", *arguments], check=True, capture_output=True)
    Path("a.hvae").write_text(Path("b.hvae").read_text())
    result = RUNNER.invoke(app, ["diff", "git:HEAD:a.hvae", "a.hvae", "--format", "markdown"])
    assert result.exit_code == 1
    assert result.stdout.startswith("### `git:HEAD:a.hvae` → `a.hvae`\n")
    assert "| `latent` | `4` | `6` |" in result.stdout
