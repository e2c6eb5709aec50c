"""The help of every command has an example, and every example names a command that is there."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner

from hvaedsl.cli.main import app


def commands(group: TyperGroup, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], TyperCommand | TyperGroup]:
    """The groups themselves among them."""
    found: dict[tuple[str, ...], TyperCommand | TyperGroup] = {}
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            found |= commands(command, (*path, name))
        assert isinstance(command, TyperCommand | TyperGroup)
        found[(*path, name)] = command
    return found


ROOT = typer.main.get_command(app)
assert isinstance(ROOT, TyperGroup)
COMMANDS = commands(ROOT)


def test_the_commands_of_the_groups_are_among_them() -> None:
    assert {("new",), ("diff",), ("data",), ("data", "prepare"), ("analyze",), ("analyze", "kl")} <= set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_command_shows_an_example(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "300", "TERM": "dumb"})
    assert result.exit_code == 0
    example = re.search(r"Example: (.*)", result.output)
    assert example is not None
    assert f"hvaedsl {' '.join(path)} " in f"{example[1]} "


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_paragraph_is_one_line(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "1000", "TERM": "dumb"})
    text, _, _ = result.output.partition("╭")
    lines = [line.strip() for line in text.splitlines()]
    assert not [pair for pair in pairwise(lines) if all(pair)]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_options_of_an_example_are_those_of_its_command(path: tuple[str, ...]) -> None:
    text = COMMANDS[path].help or ""
    parameters = [item for name, command in COMMANDS.items() if name[: len(path)] == path for item in command.params]
    known = {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}
    _, _, example = text.partition("Example:")
    assert set(re.findall(r"--[\w-]+", example)) <= known
