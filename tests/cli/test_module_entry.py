"""`python -m hvaedsl`: its name in usage texts, and what torchrun may start."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.pty_session import environment


def module(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "hvaedsl", *arguments)
    return subprocess.run(command, env=environment(**more), capture_output=True, text=True, check=False)


def test_its_usage_names_what_was_typed() -> None:
    ended = module("compile")
    assert ended.returncode == 2
    assert ended.stderr.startswith("Usage: python -m hvaedsl compile [OPTIONS]")
    assert "Try 'python -m hvaedsl compile -h' for help." in ended.stderr
    assert "Usage: python -m hvaedsl [OPTIONS] COMMAND" in module("--help").stdout


def test_torchrun_may_start_only_train() -> None:
    launched = {"TORCHELASTIC_RUN_ID": "none", "RANK": "0", "WORLD_SIZE": "2"}
    ended = module("fmt", "--check", "digits.hvae", **launched)
    assert ended.returncode == 2
    assert ended.stderr == (
        "error: torchrun started 2 processes, but fmt runs in one\n"
        "  help: run hvaedsl fmt without torchrun; only train uses its processes\n"
    )
    assert module("explain", "HV303", **{**launched, "WORLD_SIZE": "1"}).returncode == 0


@pytest.mark.parametrize(("options", "is_incomplete"), [(["-OO"], True), (["-O"], False), ([], False)])
def test_a_help_without_docstrings_says_so(options: list[str], is_incomplete: bool) -> None:
    command = [sys.executable, *options, "-m", "hvaedsl", "show", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ("Print the resolved spec" in done.stdout) is not is_incomplete
    assert ("the help is incomplete" in done.stderr) is is_incomplete
