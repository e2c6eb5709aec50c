"""An empty value, which an unset shell variable leaves, is refused by every argument and option of every command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner

from hvaedsl import SpecError, load
from hvaedsl.cli.main import app
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.ir.kinds import FilePath, Optional
from hvaedsl.ir.spec import SECTIONS, keys

# Metavariables of paths: at least these options and arguments must be among those that are tried.
PATHS = ("DIR", "FILE", "PATH", "SPEC", "RUN")


def commands(group: TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], TyperCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*path, name))
        else:
            assert isinstance(command, TyperCommand)
            yield (*path, name), command


def cases() -> Iterator[tuple[tuple[str, ...], str]]:
    """The words of a command line with one empty value, and the name that the message must have."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    for path, command in commands(root):
        arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
        for position, argument in enumerate(arguments):
            yield (*path, *("x" for _ in range(position)), ""), str(argument.metavar)
        for parameter in command.params:
            if parameter.param_type_name == "option" and not parameter.is_flag:  # type: ignore[attr-defined]
                longest = max(parameter.opts, key=len)
                yield from (((*path, *words), longest) for words in ((longest, ""), (f"{longest}=",)))


CASES = list(cases())


@pytest.mark.parametrize(("words", "name"), CASES, ids=[" ".join(words) or "''" for words, _ in CASES])
def test_it_is_refused_by_name(words: tuple[str, ...], name: str) -> None:
    result = CliRunner().invoke(app, list(words))
    assert isinstance(result.exception, UsageError), result.output
    assert str(result.exception) == f"{name} is empty"
    assert "unset shell variable" in result.exception.help


def test_all_options_with_paths_are_tried() -> None:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    tried = {name for _, name in CASES}
    for _, command in commands(root):
        for parameter in command.params:
            if parameter.metavar and any(kind in parameter.metavar for kind in PATHS):
                assert {parameter.metavar, max(parameter.opts, key=len)} & tried
    assert {"--out", "--from", "--path", "--markdown", "--ema", "SPEC", "RUN", "PATH...", "DIR"} <= tried


@pytest.mark.parametrize("empty", ["", '""', "  ", '"  "'])
def test_so_is_an_empty_path_in_a_spec(empty: str) -> None:
    paths = [
        f"{section}.{name}"
        for section in SECTIONS
        for name, key in keys(SECTIONS[section]).items()
        if isinstance(key.kind, FilePath) or (isinstance(key.kind, Optional) and isinstance(key.kind.of, FilePath))
    ]
    assert "data.path" in paths
    for path in paths:
        with pytest.raises(SpecError, match=f"`{path}` must be a path in quotes, or none") as caught:
            load("digits", sets={path: empty})
        assert "unset shell variable" in caught.value.diagnostics[0].help_text
