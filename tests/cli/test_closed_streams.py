"""Standard streams that are closed: a command ends as if it had printed, and nothing is written into its files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hvaedsl.cli.main import run
from tests.cli.pty_session import COMMAND, environment
from tests.cli.test_commands import ADVICE, BAD, GOOD

COMMANDS = {
    "--help": 0,
    "--version": 0,
    "compile good.hvae": 0,
    "compile good.hvae --json": 0,
    "compile good.hvae --out good.svg": 0,
    "compile bad.hvae": 1,
    "compile missing.hvae": 2,
    "show good.hvae": 0,
    "lint advice.hvae": 1,
    "lint bad.hvae --format github": 1,
    "lint .": 1,
    "fmt --check good.hvae": 1,
    "fmt good.hvae": 0,
    "table good.hvae": 0,
    "diff good.hvae advice.hvae": 1,
    "diff good.hvae bad.hvae": 2,
    "explain": 0,
    "explain HV303": 0,
    "explain HV999": 2,
    "explain cell vdvae": 0,
    "new mine": 0,
    "sweep digits --vary model.latent=2,4 --dry-run": 0,
    "nosuchcommand": 2,
    "lint": 2,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("good", GOOD), ("advice", ADVICE), ("bad", BAD)):
        Path(f"{name}.hvae").write_text(text)


@pytest.mark.parametrize("closed", [("stdout",), ("stderr",), ("stdin", "stdout", "stderr")], ids=" ".join)
@pytest.mark.parametrize(("command", "code"), COMMANDS.items(), ids=COMMANDS)
def test_a_command(command: str, code: int, closed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has None in place of a closed stream."""
    for name in closed:
        monkeypatch.setattr(sys, name, None)
    monkeypatch.setattr(sys, "argv", ["hvaedsl", *command.split()])
    with pytest.raises(SystemExit) as ended:
        run()
    assert (ended.value.code or 0) == code


def in_shell(redirection: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = f'exec "$@" {redirection}'
    return subprocess.run(
        ("sh", "-c", script, "sh", *COMMAND, *arguments), capture_output=True, text=True, check=False, env=environment()
    )


def test_what_is_open_is_printed() -> None:
    ended = in_shell(">&-", "compile", "bad.hvae")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "error[HV" in ended.stderr
    ended = in_shell("2>&-", "lint", "bad.hvae", "--format", "concise")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "bad.hvae:4:" in ended.stdout


def test_no_file_gets_the_number_of_a_stream() -> None:
    """What a library writes to the descriptor of stderr must not be in the picture."""
    ended = in_shell("<&- >&- 2>&-", "compile", "good.hvae", "--out", "good.svg")
    assert ended.returncode == 0
    assert Path("good.svg").read_text(encoding="utf-8").endswith("</svg>\n")


def test_standard_input_that_is_needed() -> None:
    for arguments in (("lint", "-"), ("fmt", "-"), ("compile", "-"), ("lsp",)):
        ended = in_shell("<&-", *arguments)
        assert (ended.returncode, ended.stderr.splitlines()[0]) == (2, "error: standard input is closed")


def test_standard_input_that_is_open_for_writing() -> None:
    for arguments in (("lint", "-"), ("fmt", "-"), ("compile", "-")):
        ended = in_shell("0> file", *arguments)
        assert (ended.returncode, ended.stderr) == (2, "error: <stdin>: bad file descriptor\n")
