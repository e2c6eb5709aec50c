"""A copy of the tree, in which a recipe of docs/architecture.md may change the files that it names, and no others."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
COPIED = ("hvaedsl", "runtime", "docs", "tests", "specs", "grammars", "examples", "README.md", "Makefile")


def named_files(title: str) -> list[str]:
    """The files that a recipe names, as patterns: NAME and nnn stand for a name and a number."""
    section = PAGE.partition(f"### {title}\n")[2].partition("\n### ")[0]
    paths = re.findall(r"`([\w./]+/[\w.]+)`", section)
    return [re.sub("NAME|nnn", "*", path) for path in paths]


@dataclass(frozen=True)
class Tree:
    """A copy of the project, and the files in it that may change."""

    path: Path
    allowed: list[str]

    def write(self, name: str, text: str) -> None:
        """Write a file, or replace one."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def insert(self, name: str, before: str, text: str) -> None:
        """Insert a text before another one, which the file has once."""
        content = (self.path / name).read_text(encoding="utf-8")
        assert content.count(before) == 1, f"{name}: {content.count(before)} of {before!r}"
        self.write(name, content.replace(before, text + before))

    def run(self, *command: str) -> str:
        """What a Python process prints that imports the copy."""
        environment = {**os.environ, "PYTHONPATH": f"{self.path}{os.pathsep}{self.path / 'runtime'}"}
        environment |= {"HVAEDSL_CACHE": "off", "COLUMNS": "200"}
        done = subprocess.run(
            [sys.executable, *command], cwd=self.path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    def hvaedsl(self, *arguments: str) -> str:
        """What a command prints."""
        return self.run("-c", "from hvaedsl.cli.main import run; run()", *arguments)

    def pytest(self, *arguments: str) -> None:
        """Run tests of the copy."""
        self.run("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments)

    def changed(self) -> list[str]:
        """The files that are not as they are in the project."""
        files = [path for name in COPIED for path in [self.path / name, *(self.path / name).rglob("*")]]
        names = [path.relative_to(self.path) for path in files if path.is_file() and path.suffix != ".pyc"]
        return [
            name.as_posix()
            for name in names
            if not (ROOT / name).exists() or (ROOT / name).read_bytes() != (self.path / name).read_bytes()
        ]


@pytest.fixture
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tree]:
    """A copy of the project for the recipe that the test's mark `recipe(title)` names."""
    title = request.node.get_closest_marker("recipe").args[0]
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(source, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    copy = Tree(tmp_path, named_files(title))
    assert copy.allowed, f"no recipe {title!r} that names files"
    yield copy
    other = [name for name in copy.changed() if not any(fnmatch(name, pattern) for pattern in copy.allowed)]
    assert other == [], "files that the recipe does not name"
