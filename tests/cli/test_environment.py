"""What the environment of a user breaks: files that hide packages, and settings that torch refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hvaedsl.cli.environment import hiding_file, refused_by_environment
from hvaedsl.cli.hidden_modules import put_working_folder_last
from tests.cli.pty_session import environment

Run = Callable[..., subprocess.CompletedProcess[str]]


def module(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "hvaedsl", *arguments)
    return subprocess.run(command, cwd=folder, env=environment(**more), capture_output=True, text=True, check=False)


def script(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the installed script, whose search path does not begin with the working directory."""
    code = "import sys; sys.path.pop(0); from hvaedsl.cli.start import run; run()"
    command = (sys.executable, "-c", code, *arguments)
    return subprocess.run(command, cwd=folder, env=environment(**more), capture_output=True, text=True, check=False)


def after(folder: Path) -> str:
    """PYTHONPATH that begins with a folder."""
    return os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))


@pytest.mark.parametrize("name", ["random", "rich", "typing", "enum", "lark", "torch"])
@pytest.mark.parametrize("run", [module, script])
def test_files_in_the_working_folder_hide_nothing(tmp_path: Path, run: Run, name: str) -> None:
    (tmp_path / f"{name}.py").touch()
    ended = run(tmp_path, "compile", "digits")
    assert ended.returncode == 0, ended.stderr
    assert "parameters" in ended.stdout


@pytest.mark.parametrize("name", ["random", "rich", "typing", "enum", "lark", "typer", "rich/"])
@pytest.mark.parametrize("run", [module, script])
def test_a_file_in_the_search_path_that_hides_a_module_is_named(tmp_path: Path, run: Run, name: str) -> None:
    path = tmp_path / name.removesuffix("/") if name.endswith("/") else tmp_path / f"{name}.py"
    if name.endswith("/"):
        path.mkdir()
        (path / "__init__.py").touch()
    else:
        path.touch()
    (tmp_path / "elsewhere").mkdir()
    ended = run(tmp_path / "elsewhere", "compile", "digits", PYTHONPATH=after(tmp_path))
    assert ended.returncode == 2
    assert ended.stderr == (
        f"error: {path} hides the module {path.stem}: Python imports it in its place\n"
        "  help: rename it, or remove its folder from PYTHONPATH\n"
    )


@pytest.mark.parametrize("content", ["def (", "raise ValueError"])
def test_so_is_one_that_fails(tmp_path: Path, content: str) -> None:
    (tmp_path / "random.py").write_text(content)
    ended = module(tmp_path, "compile", "digits", PYTHONPATH=after(tmp_path))
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: {tmp_path}/random.py hides the module random: ")


@pytest.mark.parametrize(
    ("package", "command"),
    [("torch", "train"), ("numpy", "sample"), ("matplotlib", "report"), ("pygls", "lsp"), ("sympy", "train")],
)
def test_a_file_that_hides_a_package_of_an_extra_is_named(tmp_path: Path, package: str, command: str) -> None:
    (tmp_path / f"{package}.py").touch()
    ended = script(tmp_path, command, *(["digits"] if command != "lsp" else []), PYTHONPATH=after(tmp_path))
    assert ended.returncode == 2
    assert ended.stderr.endswith(
        f"error: {tmp_path}/{package}.py hides the module {package}: Python imports it in its place\n"
        "  help: rename it, or remove its folder from PYTHONPATH\n"
    )


def test_the_working_folder_is_searched_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), "/folder", "/python"])
    put_working_folder_last()
    assert sys.path == ["/folder", "/python", str(tmp_path)]
    put_working_folder_last()
    assert sys.path == ["/folder", "/python", str(tmp_path)]


def test_a_folder_hides_a_package_unless_it_is_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("typer", "alone"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "typer", raising=False)
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


REFUSING = """
import sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "torch._C":
            raise {error}

sys.meta_path.insert(0, Finder)
"""


@pytest.mark.parametrize("error", ['ImportError("libtorch_cpu.so: failed to map segment")', "MemoryError()"])
def test_torch_that_cannot_be_loaded_is_no_bug(tmp_path: Path, error: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(REFUSING.format(error=error))
    path = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))
    command = [sys.executable, "-m", "hvaedsl", "eval", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert ended.returncode == 2
    reason = "libtorch_cpu.so: failed to map segment" if "libtorch" in error else "MemoryError"
    assert ended.stderr.splitlines() == [
        f"error: torch cannot be loaded: {reason}",
        "  help: raise the limit on memory (`ulimit -v`) if there is one, or install torch again",
    ]


def test_other_errors_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_LOGS", "garbage")
    errors: list[Exception] = [ValueError("garbage"), ImportError("x"), ImportError("x", name="typer.x")]
    for error in (*errors, AttributeError("y")):
        with pytest.raises(type(error)) as caught:
            raise error
        assert refused_by_environment(caught.value) is None
