"""A command whose reader has exited ends silently with 141, whatever it prints; an error keeps its exit code."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.cli.pty_session import COMMAND, environment

CLOSED_PIPE = 141


def into_closed_pipe(*arguments: str, **more: str) -> tuple[int, str]:
    """The exit code with a closed pipe as stdout, and what is on stderr."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            (*COMMAND, *arguments),
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**more),
            check=False,
        )
    finally:
        os.close(writing)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        "--help", "--version", "analyze --help", "compile digits", "compile digits --json", "show digits",
        "lint digits", "table digits", "diff digits mnist", "explain", "explain HV303",
        "sweep digits --vary model.latent=2,4 --dry-run",
    ],
)  # fmt: skip
def test_it_ends_silently(arguments: str) -> None:
    assert into_closed_pipe(*arguments.split()) == (CLOSED_PIPE, "")


def test_findings_that_nobody_reads_are_no_findings(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("broken") / "broken.hvae"
    path.write_text("hvae 1\nmodel { widht = 1 }\n", encoding="utf-8")
    for output_format in ("full", "json", "github"):
        assert into_closed_pipe("lint", str(path), "--format", output_format) == (CLOSED_PIPE, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    asked = {"_HVAEDSL_COMPLETE": f"complete_{shell}", "COMP_WORDS": "hvaedsl comp", "COMP_CWORD": "1"}
    asked |= {"_TYPER_COMPLETE_ARGS": "hvaedsl comp", "_TYPER_COMPLETE_WORD_TO_COMPLETE": "comp"}
    asked |= {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    assert into_closed_pipe(**asked) == (CLOSED_PIPE, "")


def test_an_error_keeps_its_exit_code() -> None:
    assert into_closed_pipe("compile", "no-such-spec") == (2, "error: no-such-spec: no such file or directory\n")


def test_a_shell_sees_it() -> None:
    script = """
        "$@" lint digits | true; echo ${PIPESTATUS[0]}
        "$@" compile no-such-spec 2>&1 | true; echo ${PIPESTATUS[0]}
    """
    ended = subprocess.run(
        ("bash", "-c", script, "bash", *COMMAND), capture_output=True, text=True, env=environment(), check=True
    )
    assert (ended.stdout, ended.stderr) == ("141\n2\n", "")
