"""The commands by name, each in a module of its own that is imported when it is invoked or its help is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
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
    }
)


class CommandGroup(TyperGroup):
    """A group whose commands typer makes when they are asked for; the table says which there are."""

    # The context is click's, which typer has inside it since 0.20 and beside it before: neither name is typer's own.
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as click calls it
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:  # noqa: ARG002
        """The command of a name, or None. All are made for a name that is not known: the nearest is suggested then."""
        for name in [cmd_name] if cmd_name in COMMANDS else COMMANDS:
            if name not in self.commands:
                self.add_command(_made(name), name)
        found = self.commands.get(cmd_name)
        assert found is None or isinstance(found, TyperCommand | TyperGroup)
        return found


def _made(name: str) -> TyperCommand | TyperGroup:
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
    return command
