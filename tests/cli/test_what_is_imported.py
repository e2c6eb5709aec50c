"""What a command does not need, it does not load: checked by names, which no load on the machine changes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from hvaedsl.cli import main
from hvaedsl.cli.command_table import COMMANDS

ROOT = Path(__file__).parents[2]
NEVER = frozenset(
    (
        "torch",
        "numpy",
        "hvaedsl_runtime",
        "graphviz",
        "pygraphviz",
        "matplotlib",
        "pathspec",
        "rich.console",
        "jsonschema",
    )
)
COMPILER = frozenset(("pydantic", "hvaedsl.program", "hvaedsl.passes", "hvaedsl.ir", "hvaedsl.lowering"))
DRAWING = frozenset(("hvaedsl.render", "hvaedsl.lowering.plan", "hvaedsl.fmt", "hvaedsl.report.full"))


def modules_of(cache: str, *arguments: str) -> set[str]:
    """The modules that are loaded when a command has run."""
    code = (
        "import sys\n"
        "from hvaedsl.cli.main import run\n"
        f"sys.argv = ['hvaedsl', *{arguments!r}]\n"
        "try:\n    run()\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    environment = {**os.environ, "HVAEDSL_CACHE": cache}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines())


def test_lint_loads_no_more_than_it_needs(tmp_path: Path) -> None:
    modules_of(str(tmp_path), "lint", "specs/digits.hvae")  # the grammar's table, which Lark makes
    first = modules_of(str(tmp_path), "lint", "specs/cifar_ws.hvae")
    again = modules_of(str(tmp_path), "lint", "specs/cifar_ws.hvae")
    assert first >= COMPILER
    assert not first & (NEVER | DRAWING | {"lark", "pickle"})
    assert not again & (NEVER | DRAWING | COMPILER | {"lark", "pickle"})


@pytest.mark.parametrize("name", ["lint", "explain"])
def test_one_command_is_imported_alone(name: str) -> None:
    loaded = modules_of("off", name, "--help")
    commands = {f"hvaedsl.cli.{module}" for module, _ in COMMANDS.values()}
    assert loaded & commands == {f"hvaedsl.cli.{COMMANDS[name][0]}"}


def test_the_table_makes_every_command_and_help_names_them_all() -> None:
    group = typer.main.get_command(main.app)
    printed = CliRunner().invoke(main.app, ["--help"], env={"COLUMNS": "120"}).output
    for name in COMMANDS:
        made = group.get_command(None, name)  # type: ignore[attr-defined]  # of the group's class
        assert made is not None
        assert made.name == name
        assert made.get_short_help_str(20).split()[0] in printed
        assert f"│ {name} " in printed


def test_a_mistyped_command_is_answered_with_the_nearest() -> None:
    ended = CliRunner().invoke(main.app, ["analize"], env={"COLUMNS": "120"})
    assert ended.exit_code == 2
    assert "Did you mean 'analyze'?" in ended.output


def test_the_public_names_are_there() -> None:
    import hvaedsl

    assert {name: getattr(hvaedsl, name) for name in hvaedsl.__all__}.keys() <= set(dir(hvaedsl))
    with pytest.raises(AttributeError, match="no attribute 'lods'"):
        _ = hvaedsl.lods
