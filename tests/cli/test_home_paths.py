"""`~` is the home folder in every argument and option, also where a shell leaves it; one place replaces it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner

from hvaedsl.cli.main import app
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.lint.cache import lint_cache
from tests.cli.test_empty_values import PATHS, commands


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def command_of(*names: str) -> Any:
    command: Any = typer.main.get_command(app)
    for name in names:
        command = command.commands[name]
    return command


def parsed(*words: str) -> dict[str, Any]:
    names = words[:2] if words[0] in ("data", "analyze") else words[:1]
    context = command_of(*names).make_context(words[0], list(words[len(names) :]))
    return dict(context.params)


def test_every_path_of_every_command_is_in_the_home_folder(home: Path) -> None:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    tried: set[str] = set()
    for names, command in commands(root):
        assert isinstance(command, TyperCommand)
        arguments = [item for item in command.params if item.param_type_name == "argument"]
        words = ["x" for item in arguments if item.required]
        needed = [
            word
            for item in command.params
            if item.param_type_name == "option" and item.required
            for word in (item.opts[0], "x" if item.metavar else "safetensors")
        ]
        for item in command.params:
            if not any(kind in (item.metavar or "") for kind in PATHS) or "--path" in item.opts:
                continue
            if item.param_type_name == "option":
                given = [*words, *needed, f"{item.opts[0]}=~/x"]
            else:
                place = arguments.index(item)
                given = [*words[:place], "~/x", *words[place + 1 :], *needed]
            found = command.make_context(names[-1], list(given)).params[item.name]
            assert str(found[0] if isinstance(found, list | tuple) else found) == str(home / "x"), (names, item.name)
            tried.add(max(item.opts, key=len) if item.param_type_name == "option" else str(item.metavar))
    assert {"--out", "--from", "--ema", "--markdown", "SPEC", "SPEC|RUN", "RUN", "PATH...", "RUN...", "DIR"} <= tried


def test_a_spec_is_written_to_the_home_folder_and_keeps_the_tilde_of_its_images(home: Path) -> None:
    words = ["new", "~/mine", "--dataset", "folder", "--path", "~/photos"]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert '"~/photos"' in (home / "mine.hvae").read_text()
    assert not Path("~").exists()


def test_the_home_folder_of_an_unknown_user_is_told() -> None:
    for words in (["train", "digits", "--out=~no-such-user/x"], ["compile", "digits", "--out", "~no-such-user.svg"]):
        result = CliRunner().invoke(app, words)
        assert isinstance(result.exception, UsageError), result.output
        assert str(result.exception).startswith("--out is ~no-such-user")
        assert "put ./ before" in result.exception.help
    with pytest.raises(UsageError, match=r"RUN is ~no-such-user; the home folder of that user is unknown"):
        parsed("report", "~no-such-user")


def test_a_file_of_such_a_name_is_itself() -> None:
    Path("~no-such-user.hvae").touch()
    assert list(parsed("lint", "~no-such-user.hvae", "a~.hvae")["paths"]) == ["~no-such-user.hvae", "a~.hvae"]


def test_overrides_are_no_paths() -> None:
    assert list(parsed("show", "digits", "--set", "~no-such-user=1")["sets"]) == ["~no-such-user=1"]


def test_the_cache_of_lint_may_be_in_the_home_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HVAEDSL_CACHE", "~/cache")
    assert lint_cache()._folder == home / "cache" / "lint"  # the cache creates it only where it can
