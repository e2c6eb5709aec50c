"""Pairs such as KEY=VALUE that are in several words, which the parser of options would read as other options."""

from __future__ import annotations

import subprocess

import pytest

from tests.cli.pty_session import COMMAND, environment


def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run((*COMMAND, *arguments), env=environment(), capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("words", "message", "way_out"),
    [
        (["--let", "n", "-1"], "--let is `n`; it must be NAME=N, in one word", "--let n=-1"),
        (["--let", "n", "3"], "--let is `n`; it must be NAME=N, in one word", "--let n=3"),
        (["--let", "n", "=", "3"], "--let is `n`; it must be NAME=N, in one word", "--let n=3"),
        (["--let", "n", "=3"], "--let is `n`; it must be NAME=N, in one word", "--let n=3"),
        (["--let", "n=", "3"], "--let is `n=`; it must be NAME=N, in one word", "--let n=3"),
        (
            ["--set", "train.steps", "10k"],
            "--set is `train.steps`; it must be KEY=VALUE, in one word",
            "train.steps=10k",
        ),
        (["--set", "train.precision", "float32"], "--set is `train.precision`; it must be KEY=VALUE, in one word", ""),
        (["--let", "n"], "--let is `n`; it must be NAME=N, in one word", ""),
    ],
)
@pytest.mark.parametrize("spec_is_first", [True, False])
def test_a_pair_in_several_words_is_refused(words: list[str], message: str, way_out: str, spec_is_first: bool) -> None:
    found = ended("compile", *(["digits", *words] if spec_is_first else [*words, "digits"]))
    assert (found.returncode, found.stdout) == (2, "")
    first, *rest = found.stderr.splitlines()
    assert first == f"error: {message}"
    assert [line.endswith(way_out) for line in rest] == [True] * bool(way_out)


@pytest.mark.parametrize("words", [["--set", "train.steps=5"], ["--set=train.steps=5"], ["--let", "n=-1"], ["--", "x"]])
def test_others_are_left_to_the_command(words: list[str]) -> None:
    assert "in one word" not in ended("compile", "digits", *words).stderr
