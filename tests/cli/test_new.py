from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import hvaedsl
from hvaedsl.cli.main import app
from hvaedsl.diagnostics.errors import UsageError, WriteError


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def new(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["new", *arguments])


@pytest.mark.parametrize("name", ["mine", "mine.hvae", "./mine"])
def test_it_is_written_and_compiles(name: str) -> None:
    result = new(name, "--from", "cifar_ws")
    assert (result.exit_code, result.stdout) == (0, "written: mine.hvae\n")
    assert "hvaedsl compile mine.hvae" in result.stderr
    assert hvaedsl.load("mine.hvae").cost == hvaedsl.load("cifar_ws").cost
    assert [path.name for path in Path().iterdir()] == ["mine.hvae"]


def test_the_next_command_is_quoted_for_the_shell() -> None:
    assert new("my model").stderr == "next: hvaedsl compile 'my model.hvae' --render\n"
    assert new("--", "-x").stderr == "next: hvaedsl compile ./-x.hvae --render\n"


def test_one_of_its_own() -> None:
    Path("specs").mkdir()
    assert new("specs/faces", "--dataset", "folder", "--resolution", "16", "--path", "photos").exit_code == 0
    program = hvaedsl.load("specs/faces.hvae")
    assert (program.spec.data.resolution, program.spec.data.path) == (16, "photos")
    assert new("tiny").exit_code == 0
    assert hvaedsl.load("tiny.hvae").spec.data.dataset == "digits"


def test_nothing_is_overwritten() -> None:
    Path("mine.hvae").write_text("precious")
    Path("link.hvae").symlink_to("nowhere")
    for name in ("mine", "mine.hvae", "link"):
        result = new(name)
        assert isinstance(result.exception, UsageError)
        assert "already exists" in str(result.exception)
    assert Path("mine.hvae").read_text() == "precious"
    assert not Path("nowhere").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["missing/mine"], "the folder missing does not exist"),
        (["a\nb"], "is not a valid name"),
        ([""], "NAME is empty"),
        ([".."], "is not a valid name"),
        (["specs/"], "is not a valid name"),
        ([".hvae"], "is not a valid name"),
        (["mine", "--from", "cifar", "--dataset", "mnist"], "takes the dataset"),
        (["mine", "--dataset", "mnsit"], "unknown dataset mnsit"),
        (["x" * 300], "too long"),
    ],
)
def test_what_cannot_be_written(arguments: list[str], reason: str) -> None:
    result = new(*arguments)
    assert isinstance(result.exception, UsageError)
    assert reason in str(result.exception)
    assert list(Path().iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_leave_to_write() -> None:
    Path("closed").mkdir(mode=0o500)
    result = new("closed/mine")
    assert isinstance(result.exception, WriteError)
    assert "cannot be written: Permission denied" in str(result.exception)
