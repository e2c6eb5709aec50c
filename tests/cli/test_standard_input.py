"""Specs on standard input, and run folders where a spec is expected."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import hvaedsl
from hvaedsl.cli.main import app
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.syntax.text import MAX_FILE_BYTES, source_or_stdin

CHILD = 'hvae 1\nextends "base.hvae"\nmodel { width = 32 }\n'


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("base.hvae").write_text(hvaedsl.load("digits").resolved_text())


def with_input(text: str | bytes, *arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), input=text)


def test_compile_and_show_read_it() -> None:
    result = with_input(CHILD, "compile", "-", "--json")
    assert result.exit_code == 0
    assert '"name": "stdin"' in result.stdout
    assert "width      = 32" in with_input(CHILD, "show", "-").stdout


def test_diff_reads_it_on_either_side() -> None:
    for sides in (("-", "base.hvae"), ("base.hvae", "-")):
        result = with_input(CHILD, "diff", *sides)
        assert result.exit_code == 1
        assert "width" in result.stdout.lower()
        assert "39,015" in result.stdout
    assert with_input(Path("base.hvae").read_text(), "diff", "-", "base.hvae").exit_code == 0


def test_its_findings_name_it() -> None:
    with pytest.raises(SpecError, match=r"<stdin>:1:\d+: HV"):
        raise with_input("hvae 1 model { widht = 3 }", "compile", "-").exception or AssertionError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("diff", "-", "-"), "only one of the two specs"),
        (("train", "-"), "compile, diff, fmt, lint and show read -"),
        (("table", "-"), "compile, diff, fmt, lint and show read -"),
    ],
)
def test_who_does_not_read_it(arguments: tuple[str, ...], words: str) -> None:
    error = with_input(CHILD, *arguments).exception
    assert isinstance(error, UsageError)
    assert words in error.report


@pytest.mark.parametrize("command", ["lint", "fmt", "compile", "show", "table", "train"])
def test_a_pipe_with_a_name_is_refused_with_the_way_to_read_it(command: str) -> None:
    """As `/dev/stdin` and `<(command)` of a shell are."""
    os.mkfifo("pipe")
    error = with_input("", command, "pipe").exception
    assert isinstance(error, UsageError)
    assert error.report == (
        "pipe: not a regular file\n"
        "  help: save the spec to a file, or pipe it and pass -, which compile, diff, fmt, lint and show read"
    )


def test_the_way_out_of_each_of_several() -> None:
    os.mkfifo("pipe")
    error = with_input("", "fmt", "pipe", "missing.hvae").exception
    assert str(error).splitlines()[1:] == [
        "  pipe: not a regular file",
        "    help: save the spec to a file, or pipe it and pass -, which compile, diff, fmt, lint and show read",
        "  missing.hvae: no such file or directory",
    ]


def test_it_may_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="standard input is closed") as caught:
        source_or_stdin("-")
    assert caught.value.help == "name a file"


def test_too_much_of_it() -> None:
    error = with_input(b"#" * (MAX_FILE_BYTES + 1), "compile", "-").exception
    assert isinstance(error, SpecError)
    assert error.diagnostics[0].code == "HV108"


@pytest.fixture
def run_folder() -> Path:
    run = Path("runs/my digits")
    run.mkdir(parents=True)
    (run / "spec.hvae").write_text(Path("base.hvae").read_text())
    return run


def test_lint_searches_a_run_folder_for_specs(run_folder: Path) -> None:
    assert with_input("", "lint", str(run_folder)).exit_code == 0


@pytest.mark.parametrize("command", ["compile", "show", "diff"])
def test_a_run_folder_is_no_spec(command: str, run_folder: Path) -> None:
    more = ["base.hvae"] if command == "diff" else []
    error = with_input("", command, str(run_folder), *more).exception
    assert isinstance(error, UsageError)
    assert "is a run folder" in str(error)
    assert str(run_folder / "spec.hvae") in error.help


def test_train_names_the_command_that_resumes(run_folder: Path) -> None:
    pytest.importorskip("torch")
    error = with_input("", "train", str(run_folder), "--resume", "--threads", "3").exception
    assert isinstance(error, UsageError)
    command = "hvaedsl train 'runs/my digits/spec.hvae' --out 'runs/my digits' --resume --threads 3"
    assert error.help == f"to resume the run: {command}"


def test_python_names_what_takes_a_run(run_folder: Path) -> None:
    with pytest.raises(UsageError, match="is a run folder") as caught:
        hvaedsl.load(run_folder)
    assert "spec.hvae" in caught.value.help


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(UsageError, match="empty"):
        hvaedsl.load("")
