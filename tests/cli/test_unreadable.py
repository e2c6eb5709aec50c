"""Files and folders that cannot be read: one message with the path, exit code 2, and the others are checked."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hvaedsl.lint.spec_files import spec_files
from hvaedsl.lsp.bases import is_base
from tests.cli.pty_session import COMMAND, environment

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "specs" / "digits.hvae").read_text(encoding="utf-8")
NOBODY = 65534
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a spec, and one spec in each of a closed folder, a listed folder and a closed file."""
    project = tmp_path / "project"
    for name in ("good.hvae", "closed/inside.hvae", "listed/inside.hvae", "closed.hvae"):
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SPEC, encoding="utf-8")
    (project / "extends_closed.hvae").write_text('hvae 1\nextends "closed/inside.hvae"\n', encoding="utf-8")
    (project / "folder.hvae").mkdir()
    (project / "broken.hvae").symlink_to("nowhere.hvae")
    (project / "loop.hvae").symlink_to("loop.hvae")
    (project / "closed").chmod(0o000)
    (project / "listed").chmod(0o444)
    (project / "closed.hvae").chmod(0o000)
    return project


@pytest.fixture
def run(folder: Path) -> Run:
    """Run a command in the project as a user to whom the permissions apply."""
    if os.name == "nt":
        pytest.skip("permissions of POSIX")

    # Root may read everything. The interpreter and the checkout may be closed to other users, so root's capabilities
    # are dropped instead of its name.
    dropped: tuple[str, ...] = ()
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may read everything, and setpriv is missing")
        capabilities = "-dac_override,-dac_read_search"
        dropped = ("setpriv", f"--bounding-set={capabilities}", f"--inh-caps={capabilities}")

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (*dropped, *COMMAND, *arguments), cwd=folder, env=environment(), capture_output=True, text=True, check=False
        )

    return call


def test_the_others_are_linted(run: Run, folder: Path) -> None:
    ended = run("lint", ".")
    assert ended.returncode == 2
    assert "error: 5 paths cannot be read\n" in ended.stderr
    assert "\n  broken.hvae: a link to nowhere.hvae: no such file or directory\n" in ended.stderr
    for path in ("closed", "closed.hvae", "listed/inside.hvae"):
        assert f"\n  {path}: permission denied\n" in ended.stderr
    assert "extends_closed.hvae:2:9" in ended.stdout  # its base cannot be read
    assert ended.stdout.count("--> ") == 1

    ended = run("lint", "good.hvae", "closed.hvae")
    assert (ended.returncode, ended.stderr) == (2, "error: closed.hvae: permission denied\n")
    assert ended.stdout == "nothing found in 1 spec\n"


def test_the_others_are_formatted(run: Run, folder: Path) -> None:
    (folder / "good.hvae").write_text(SPEC.replace(" = ", "  =   "), encoding="utf-8")
    ended = run("fmt", ".")
    assert ended.returncode == 2
    assert "  closed: permission denied\n" in ended.stderr
    assert ended.stdout.startswith("reformatted good.hvae\n")


def test_the_others_are_in_the_table(run: Run) -> None:
    ended = run("table", "good.hvae", "closed", "closed.hvae")
    assert ended.returncode == 2
    assert "218,811" in ended.stdout
    assert "  closed: permission denied\n  closed.hvae: permission denied\n" in ended.stderr


@pytest.mark.parametrize("name", ["closed.hvae", "closed/inside.hvae", "listed/inside.hvae", "closed"])
@pytest.mark.parametrize("command", ["compile", "show", "diff"])
def test_one_spec(command: str, name: str, run: Run) -> None:
    ended = run(command, *(("good.hvae",) if command == "diff" else ()), name)
    reason = "is a folder" if name == "closed" else "permission denied"
    assert (ended.returncode, ended.stderr, ended.stdout) == (2, f"error: {name}: {reason}\n", "")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("folder.hvae", "is a folder"),
        ("broken.hvae", "no such file or directory"),
        ("loop.hvae", "too many levels of symbolic links"),
        ("x" * 300, "file name too long"),
        ("good.hvae/inside.hvae", "not a directory"),
        ("socket.hvae", "not a regular file"),
    ],
)
def test_what_is_no_file(name: str, reason: str, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.hvae")
        for command in ("compile", "diff"):
            ended = run(command, name, *(("good.hvae",) if command == "diff" else ()))
            assert (ended.returncode, ended.stderr) == (2, f"error: {name}: {reason}\n")


def test_the_language_server_reads_none_of_them(folder: Path) -> None:
    """It is asked about a spec whose siblings cannot be read."""
    for path in (folder / "loop.hvae", folder / "good.hvae", folder / "folder.hvae", folder / ("x" * 300)):
        assert not is_base(path)
    assert str(folder / "good.hvae") in spec_files(str(folder)).files
