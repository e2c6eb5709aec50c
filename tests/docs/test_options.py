"""docs/options.md is the commands' own table of options. `--update-goldens` writes it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import typer.main
from rich.text import Text
from typer.core import TyperGroup, TyperOption

from hvaedsl.cli.main import app

PAGE = Path(__file__).parents[2] / "docs" / "options.md"
HEAD = "| option | meaning | commands |\n|---|---|---|\n"


def options(group: TyperGroup, path: tuple[str, ...] = ()) -> dict[str, list[TyperOption]]:
    """The options by command; the analyses, which all have the same ones, are one command."""
    found: dict[str, list[TyperOption]] = {}
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            inner = options(command, (*path, name))
            found |= {name: next(iter(inner.values()))} if name == "analyze" else inner
        else:
            found[" ".join((*path, name))] = [
                item for item in command.params if isinstance(item, TyperOption) and not item.hidden
            ]
    return found


def written(option: TyperOption, context: Any) -> str:
    """An option with its value, as it is typed."""
    value = "" if option.is_flag else f" {option.metavar or option.display_type(context).strip('<>')}"
    return f"`{option.opts[0]}{value}`".replace("|", "\\|")


def meaning(option: TyperOption) -> str:
    """The help of an option, and its default."""
    help_ = Text.from_markup(option.help or "").plain.replace("|", "\\|")
    return help_ if option.is_flag or option.default is None else f"{help_} [default: {option.default}]"


def table() -> str:
    """A row for each option, by name; what differs between commands is said for each."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    rows: dict[str, dict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    with root.make_context("hvaedsl", [], resilient_parsing=True) as context:
        for command, found in options(root).items():
            for option in found:
                rows[option.opts[0]][written(option, context), meaning(option)].append(command)

    lines = []
    for _, entries in sorted(rows.items()):
        forms = "<br>".join(dict.fromkeys(form for form, _ in entries))
        meanings = [
            text if len(entries) == 1 else f"{', '.join(names)}: {text}" for (_, text), names in entries.items()
        ]
        commands = (name for names in entries.values() for name in names)
        lines.append(f"| {forms} | {'<br>'.join(meanings)} | {', '.join(commands)} |\n")
    return HEAD + "".join(lines)


@pytest.mark.skipif(not hasattr(TyperOption, "display_type"), reason="newer versions of typer print the types so")
def test_the_table_is_that_of_the_commands(update_goldens: bool) -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, head, _ = page.partition(HEAD)
    assert head
    if update_goldens:
        PAGE.write_text(before + table(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == before + table()
