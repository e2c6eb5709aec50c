"""Commands in messages can be pasted into a shell, whatever the paths are called."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from hvaedsl.diagnostics.shell import command_line, path_word

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("a.hvae", "a.hvae"),
        ("my model.hvae", "'my model.hvae'"),
        ("-x.hvae", "./-x.hvae"),
        ("--fix", "./--fix"),
        ("-my model", "'./-my model'"),
        ("/tmp/-x", "/tmp/-x"),
        ("~x", "'~x'"),
    ],
)
def test_a_path_is_one_word_and_no_option(path: str, word: str) -> None:
    assert path_word(path) == path_word(Path(path)) == word
    assert Path(shlex.split(word)[0]) == Path(path)


def test_only_paths_are_kept_from_being_options() -> None:
    assert command_line("hvaedsl", "compile", Path("-x.hvae"), "--render") == "hvaedsl compile ./-x.hvae --render"


def test_commands_are_quoted_in_one_place() -> None:
    files = [*(ROOT / "hvaedsl").rglob("*.py"), *(ROOT / "runtime").rglob("*.py")]
    found = [str(file.relative_to(ROOT)) for file in files if "shlex" in file.read_text(encoding="utf-8")]
    assert found == ["hvaedsl/diagnostics/shell.py"]
