"""The lower bounds in pyproject.toml hold: the base install with each dependency at its lower bound."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from hvaedsl.lint.spec_files import spec_files
from tests.packaging.test_wheel import ROOT, run, uv

SPECS = ROOT / "specs"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Tests of what depends most on the versions of typer and rich.
TESTS = ("cli/test_help.py", "cli/test_terminals.py")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the base install at the lower bounds, and pytest."""
    folder = tmp_path_factory.mktemp("lowest")
    run(uv(), "build", "--quiet", "--wheel", "--out-dir", folder, ROOT, cwd=folder)
    run(uv(), "venv", "--quiet", "--python", sys.executable, folder / "env", cwd=folder)
    found = folder / "env" / "bin" / "python"
    (wheel,) = folder.glob("hvaedsl-*.whl")
    install = (uv(), "pip", "install", "--quiet", "--python", found)
    run(*install, "--resolution", "lowest-direct", "-r", ROOT / "pyproject.toml", cwd=folder)
    run(*install, "--no-deps", wheel, cwd=folder)
    run(*install, "pytest", cwd=folder)
    return found


@pytest.mark.long
def test_the_bounds_are_installed(python: Path, tmp_path: Path) -> None:
    installed = run(uv(), "pip", "freeze", "--python", python, cwd=tmp_path).lower()
    for requirement in PROJECT["dependencies"]:
        name, bound = re.match(r"([\w-]+)>=([\d.]+)", requirement).groups()  # type: ignore[union-attr]  # all have one
        assert re.search(rf"^{name.lower()}=={re.escape(bound)}(\.\d+)*$", installed, re.MULTILINE), installed


@pytest.mark.long
def test_the_commands_work(python: Path, tmp_path: Path) -> None:
    command = python.with_name("hvaedsl")
    specs = len(spec_files(str(SPECS)).files)
    assert f"nothing found in {specs} specs" in run(command, "lint", SPECS, cwd=tmp_path)
    assert f"{specs} files unchanged" in run(command, "fmt", "--check", SPECS, cwd=tmp_path)
    assert "39,145,700 parameters" in run(command, "compile", "cifar_ws", "--render", cwd=tmp_path)
    assert "Usage: hvaedsl compile" in run(command, "compile", "--nosuch", cwd=tmp_path, code=2)


@pytest.mark.long
def test_the_tests_of_the_command_line_pass(python: Path, tmp_path: Path) -> None:
    options = ("-q", "-x", "-p", "no:cacheprovider", "--rootdir", ROOT, "-c", ROOT / "pyproject.toml")
    run(python, "-m", "pytest", *options, *(ROOT / "tests" / test for test in TESTS), cwd=ROOT)
