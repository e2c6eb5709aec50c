"""Every command says the same thing by the same option, and accepts the former names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner

from hvaedsl.cli.former_names import FORMER_NAMES, FormerNamesCommand
from hvaedsl.cli.main import _exit_code, app

ROOT = typer.main.get_command(app)
assert isinstance(ROOT, TyperGroup)

FORMER = (
    ("compile", "--output", "--out"),
    ("sample", "--output", "--out"),
    ("diff", "--output", "--out"),
    ("explain", "--output", "--out"),
    ("lint", "--output-format", "--format"),
    ("data prepare", "--overwrite", "--force"),
    ("compile", "--plugins", "--custom"),
    ("sweep", "--plugins", "--custom"),
    ("compile", "--batch", "--batch-size"),
)


def leaves(group: TyperGroup, path: tuple[str, ...] = ()) -> dict[str, TyperCommand]:
    """The commands that are no groups, by their names."""
    found: dict[str, TyperCommand] = {}
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            found |= leaves(command, (*path, name))
        else:
            assert isinstance(command, TyperCommand)
            found[" ".join((*path, name))] = command
    return found


COMMANDS = leaves(ROOT)


def options(command: TyperCommand) -> set[str]:
    """The options of a command as they are shown."""
    return {name for parameter in command.params for name in parameter.opts if name.startswith("--")}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_accepts_former_names_and_shows_none(name: str) -> None:
    assert isinstance(COMMANDS[name], FormerNamesCommand)
    assert options(COMMANDS[name]).isdisjoint(FORMER_NAMES)
    assert not any(former in str(COMMANDS[name].help) for former in FORMER_NAMES)


def test_a_current_name_is_that_of_an_option() -> None:
    known = set().union(*map(options, COMMANDS.values()))
    assert set(FORMER_NAMES.values()) <= known


@pytest.mark.parametrize(("name", "former", "current"), FORMER)
@pytest.mark.parametrize("joined", [False, True])
def test_a_former_name_is_read_as_the_current_one(name: str, former: str, current: str, joined: bool) -> None:
    command = COMMANDS[name]
    (option,) = (item for item in command.params if current in item.opts)
    values = {"--format": "json", "--batch-size": "3", "--out": "a.png"}
    value = [values[current]] if current in values else []

    def read(flag: str) -> dict[str, object]:
        words = [f"{flag}={value[0]}"] if joined and value else [flag, *value]
        with command.make_context(name, words, resilient_parsing=True) as context:
            return dict(context.params)

    assert read(former) == read(current)
    assert read(former)[str(option.name)] not in (None, False, "full")


def test_words_after_two_dashes_are_no_options() -> None:
    with COMMANDS["lint"].make_context("lint", ["--output-format", "json", "--", "--output-format"]) as context:
        assert list(context.params["paths"]) == ["--output-format"]
        assert context.params["output_format"] == "json"


def test_a_former_name_of_an_option_that_a_command_lacks_is_unknown() -> None:
    ended = CliRunner().invoke(app, ["show", "digits", "--plugins"])
    assert ended.exit_code == 2
    assert "No such option" in ended.output


@pytest.mark.parametrize("name", COMMANDS)
def test_json_is_short_for_the_format(name: str) -> None:
    command = COMMANDS[name]
    assert ("--json" in options(command)) == ("--format" in options(command))
    if "--format" in options(command):
        with command.make_context(name, ["--format", "json"], resilient_parsing=True) as context:
            assert context.params["output_format"] == "json"


def test_what_prints_data_prints_it_as_json() -> None:
    printing = {"compile", "show", "lint", "table", "diff", "sweep", "eval", "check-theory", "compare", "doctor"}
    printing |= {"data show", "data verify"} | {name for name in COMMANDS if name.startswith("analyze ")}
    assert {name for name, command in COMMANDS.items() if "--json" in options(command)} == printing


@pytest.mark.parametrize(
    "arguments",
    [
        ["compile", "digits"],
        ["compile", "digits", "--emit", "bridge"],
        ["show", "digits"],
        ["table", "digits"],
        ["diff", "digits", "mnist", "--exit-zero"],
        ["lint", "digits"],
        ["sweep", "digits", "--vary", "model.latent=2,4", "--dry-run"],
    ],
    ids=" ".join,
)
def test_both_forms_print_the_same(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    short, long, text = (
        CliRunner().invoke(app, [*arguments, *form]) for form in (["--json"], ["--format", "json"], [])
    )
    assert short.exit_code == long.exit_code == text.exit_code == 0
    assert short.stdout == long.stdout != text.stdout


def test_another_format_contradicts_json() -> None:
    ended = CliRunner().invoke(app, ["diff", "digits", "mnist", "--format", "markdown", "--json"])
    assert "--format is markdown" in str(ended.exception)


def test_the_values_of_a_missing_option_are_on_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["hvaedsl", "export", "runs/first"])
    assert _exit_code("hvaedsl") == 2
    assert capsys.readouterr().err.endswith("error: Missing option '--to'. Choose from: pt2, safetensors\n")
