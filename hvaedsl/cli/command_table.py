"""The commands by name. The module of a command is imported when the command is invoked or its help is printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from inspect import cleandoc
from types import MappingProxyType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from hvaedsl.cli.former_names import FormerNamesCommand
from hvaedsl.cli.help_text import HelpGroup

# Name: module in hvaedsl.cli, and its function or group of commands. The help lists them in this order.
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
        "reconstruct": ("reconstruct", "reconstruct"),
        "export": ("export", "export"),
        "convert": ("convert", "convert"),
        "check-theory": ("check_theory", "check_theory"),
        "analyze": ("analyze", "app"),
        "report": ("report", "report"),
        "compare": ("compare", "compare"),
        "doctor": ("doctor", "doctor"),
        "data": ("data", "data"),
        "lsp": ("lsp", "lsp"),
    }
)


Command = TyperCommand | TyperGroup


class Commands(MutableMapping[str, Command]):
    """The commands of the table, each created on first access. Listing their names creates none."""

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
        """Remove a command that was added."""
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        """The names, first those of the table in its order."""
        return iter(dict.fromkeys((*COMMANDS, *self._made)))

    def __len__(self) -> int:
        """The number of commands."""
        return sum(1 for _ in self)


class CommandGroup(HelpGroup):
    """A group of the commands in the table."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: MutableMapping[str, Any] = Commands()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature that click calls
        """The names, in the order of the table."""
        return list(self.commands)


def _made(name: str) -> Command:
    """The command that typer creates from its function or group."""
    module, attribute = COMMANDS[name]
    found = getattr(import_module(f"hvaedsl.cli.{module}"), attribute)
    holder = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    if not isinstance(found, typer.Typer):
        holder.command(name, cls=FormerNamesCommand)(found)
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
    """Wrap the lines of a help at the width of the terminal, not where the docstring breaks them."""
    if command.help:
        paragraphs = cleandoc(command.help).split("\n\n")
        command.help = "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)
    for inner in getattr(command, "commands", {}).values():
        _let_help_flow(inner)
