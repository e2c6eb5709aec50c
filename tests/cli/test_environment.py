"""What the environment of a user breaks: files that hide packages, and settings that torch refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hvaedsl.cli.environment import hiding_file, refused_by_environment
from tests.cli.pty_session import COMMAND, environment


def module(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "hvaedsl", *arguments)
    return subprocess.run(command, cwd=folder, env=environment(**more), capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("package", "command"),
    [("torch", "train"), ("numpy", "sample"), ("matplotlib", "report"), ("pygls", "lsp")],
)
def test_a_file_that_hides_a_package_is_named(tmp_path: Path, package: str, command: str) -> None:
    (tmp_path / f"{package}.py").touch()
    ended = module(tmp_path, command, *(["any"] if command != "lsp" else []))
    assert ended.returncode == 2
    assert ended.stderr == (
        f"error: {tmp_path}/{package}.py hides the package {package}: Python imports it in its place\n"
        "  help: rename it, or run hvaedsl in another folder\n"
    )


def test_a_file_that_hides_a_package_of_torch_is_named(tmp_path: Path) -> None:
    (tmp_path / "sympy.py").touch()
    ended = module(tmp_path, "train", "digits")
    assert ended.returncode == 2
    assert f"{tmp_path}/sympy.py hides the package sympy" in ended.stderr


def test_the_script_does_not_read_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "torch.py").touch()
    code = COMMAND[-1].replace("from", "import sys; sys.path.pop(0); from", 1)
    command = (sys.executable, "-c", code, "sample", "nothing")
    ended = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == 5
    assert "nothing: no such folder" in ended.stderr


def test_a_folder_hides_a_package_unless_it_is_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("typer", "alone"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "typer")
    assert hiding_file("typer") is None
    monkeypatch.syspath_prepend(str(tmp_path))
    assert hiding_file("typer") == tmp_path / "typer"
    assert hiding_file("alone") is None
    assert hiding_file("not_there") is None


@pytest.mark.parametrize("value", ["garbage", "+dynamo,nothing"])
def test_a_setting_that_torch_refuses_is_named_with_its_message(tmp_path: Path, value: str) -> None:
    ended = module(tmp_path, "train", "digits", TORCH_LOGS=value)
    assert ended.returncode == 2
    first = "error: torch refuses the environment variable TORCH_LOGS: Invalid log settings: "
    assert ended.stderr.startswith(first + value)
    assert ended.stderr.endswith("\n  help: correct TORCH_LOGS, or unset it\n")


def test_other_errors_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_LOGS", "garbage")
    errors: list[Exception] = [ValueError("garbage"), ImportError("x"), ImportError("x", name="typer.x")]
    for error in (*errors, AttributeError("y")):
        with pytest.raises(type(error)) as caught:
            raise error
        assert refused_by_environment(caught.value) is None
