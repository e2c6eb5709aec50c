"""Values that typer need not convert: what a command gets, and what it refuses, is the same as with typer alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
import typer
from typer.testing import CliRunner

from hvaedsl.cli.help_text import HelpCommand

Way = Callable[..., object]


def _program(kind: type[typer.core.TyperCommand], seen: list[object]) -> typer.Typer:
    app = typer.Typer(add_completion=False)

    @app.command(cls=kind)
    def command(
        paths: Annotated[list[str] | None, typer.Argument()] = None,
        name: Annotated[str | None, typer.Option()] = None,
        codes: Annotated[list[str] | None, typer.Option("--code")] = None,
        shown: Annotated[Literal["full", "json"], typer.Option("--format")] = "full",
        upper: Annotated[str, typer.Option(parser=str.upper)] = "a",
        count: Annotated[int, typer.Option()] = 3,
        flag: Annotated[bool, typer.Option("--flag")] = False,
    ) -> None:
        seen.append((paths, name, codes, shown, upper, count, flag))

    return app


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a", "b"],
        ["--name", "x", "--code", "1", "--code", "2"],
        ["--format", "json", "--flag", "--count", "7", "--upper", "word"],
        ["--format", "jsn"],
        ["--format", "JSON"],
        ["--count", "seven"],
        ["--name"],
        ["--format", ""],
        ["-", "--name", ""],
    ],
)
def test_values_and_errors_are_those_of_typer(arguments: list[str]) -> None:
    found: list[Any] = []
    for kind in (typer.core.TyperCommand, HelpCommand):
        seen: list[object] = []
        ended = CliRunner().invoke(_program(kind, seen), arguments)
        found.append((ended.exit_code, ended.output, seen))
    assert found[0] == found[1]
