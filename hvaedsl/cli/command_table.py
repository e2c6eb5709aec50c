"""The commands by name, each in a module of its own that is imported when it is invoked or its help is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from inspect import cleandoc
from types import MappingProxyType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

# In the order of the help. Behind each name its module in hvaedsl.cli, and the function or group of commands there.
COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "new": ("new", "new"),
        "compile": ("compile", "compile_spec"),
        "show": ("show", "show"),
        "lint": ("lint", "lint"),
        "fmt": ("fmt", "fmt"),
        "table": ("table", "table"),
        "diff": ("diff", "diff"),
        "explain": ("explain", "explain"),
        "train": ("train", "train"),
        "sweep": ("sweep", "sweep"),
        "eval": ("eval", "evaluate"),
        "sample": ("sample", "sample"),
        "export": ("export", "export"),
        "convert": ("convert", "convert"),
        "check-theory": ("check_theory", "check_theory"),
        "analyze": ("analyze", "app"),
        "report": ("report", "report"),
        "compare": ("compare", "compare"),
        "data": ("data", "data"),
        "lsp": ("lsp", "lsp"),
    }
)


Command = TyperCommand | TyperGroup


class Commands(MutableMapping[str, Command]):
    """The commands of the table, each made when it is first asked for; their names are known without."""

    def __init__(self) -> None:
        self._made: dict[str, Command] = {}

    def __getitem__(self, name: str) -> Command:
        """The command of a name."""
        if name not in self._made and name in COMMANDS:
            self._made[name] = _made(name)
        return self._made[name]

    def __setitem__(self, name: str, command: Command) -> None:
        """Add a command that is not in the table."""
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        """Take out a command that was added."""
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        """The names, those of the table in its order."""
        return iter(dict.fromkeys((*COMMANDS, *self._made)))

    def __len__(self) -> int:
        """How many there are."""
        return sum(1 for _ in self)


class CommandGroup(TyperGroup):
    """A group with the commands of the table."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: MutableMapping[str, Any] = Commands()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as click calls it
        """The names, in the order of the table."""
        return list(self.commands)


def _made(name: str) -> Command:
    """The command, as typer makes it of its function or group."""
    module, attribute = COMMANDS[name]
    found = getattr(import_module(f"hvaedsl.cli.{module}"), attribute)
    holder = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    if not isinstance(found, typer.Typer):
        holder.command(name)(found)
        command = get_command(holder)
    else:
        holder.add_typer(found, name=name)
        group = get_command(holder)
        assert isinstance(group, TyperGroup)
        command = group.commands[name]
    assert isinstance(command, TyperCommand | TyperGroup)
    _let_help_flow(command)
    return command


def _let_help_flow(command: Any) -> None:
    """Break the lines of a help where the terminal ends, and not where the docstring has them."""
    if command.help:
        paragraphs = cleandoc(command.help).split("\n\n")
        command.help = "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)
    for inner in getattr(command, "commands", {}).values():
        _let_help_flow(inner)
