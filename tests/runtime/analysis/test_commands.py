"""`hvaedsl analyze`: the files of each command, and its error messages."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from hvaedsl.cli.analyze import ANALYSES as COMMANDS
from hvaedsl_runtime.analysis.registry import ANALYSES, by_name
from tests.runtime.saved_states import remove_saved

Trained = Callable[..., Path]
Command = Callable[..., tuple[object, str, str]]


def refuse(constant: str) -> NoReturn:
    raise AssertionError(constant)


def test_the_commands_are_the_analyses_of_the_registry() -> None:
    assert set(COMMANDS) == {analysis.name for analysis in ANALYSES}
    assert len({analysis.name for analysis in ANALYSES}) == len(ANALYSES)
    with pytest.raises(KeyError):
        by_name("nothing")


@pytest.mark.parametrize("name", [analysis.name for analysis in ANALYSES])
@pytest.mark.parametrize("likelihood", ["gray", "binary"])
def test_every_analysis_is_a_command(
    trained: Trained, tmp_path: Path, command: Command, name: str, likelihood: str
) -> None:
    binary = {"model__likelihood": "bernoulli", "data__binarize": "dynamic"} if likelihood == "binary" else {}
    options = ("--images", "5", "--split", "validation", "--weights", "ema", "--batch-size", "2", "--device", "cpu")
    code, out, err = command("analyze", name, trained(**binary), "--out", tmp_path / "out", *options)
    assert code == 0, err
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert sorted(Path(line.removeprefix("written: ")).name for line in out.split("\n") if line) == written
    assert f"{name}.json" in written
    assert any(file.endswith(".png") for file in written)
    document = json.loads((tmp_path / "out" / f"{name}.json").read_text(), parse_constant=refuse)
    assert document["text"]
    assert all((tmp_path / "out" / file).stat().st_size > 100 for file in written)


def test_json_prints_the_data_and_nothing_else(trained: Trained, tmp_path: Path, command: Command) -> None:
    code, out, err = command("analyze", "curves", trained(), "--out", tmp_path / "out", "--json")
    assert code == 0, err
    assert out == (tmp_path / "out" / "curves.json").read_text()
    assert f"written: {tmp_path}/out/curves.json" in err.replace("\n", "")


def test_the_same_command_writes_the_same_files(trained: Trained, tmp_path: Path, command: Command) -> None:
    for folder in ("one", "other"):
        for name in ("kl", "temperatures"):
            assert command("analyze", name, trained(), "--images", "4", "--out", tmp_path / folder)[0] == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_the_default_folder_is_in_the_run(trained: Trained, tmp_path: Path, command: Command) -> None:
    shutil.copytree(trained(), tmp_path / "run")
    code, _, err = command("analyze", "curves", tmp_path / "run")
    assert code == 0, err
    assert sorted(path.name for path in (tmp_path / "run" / "analysis").iterdir()) == [
        "curves.json",
        "curves.png",
        "curves.svg",
    ]


def test_mistakes_are_one_readable_error(trained: Trained, tmp_path: Path, command: Command) -> None:
    shutil.copytree(trained(), tmp_path / "killed")
    remove_saved(tmp_path / "killed")
    shutil.copytree(trained(), tmp_path / "damaged")
    (tmp_path / "damaged" / "metrics.jsonl").write_text("x\ny\n", encoding="utf-8")
    (tmp_path / "file").touch()
    cases: list[tuple[int, str, tuple[Path | str, ...]]] = [
        (5, "no such folder", ("kl", tmp_path / "nothing")),
        (5, "no run in this folder", ("kl", tmp_path)),
        (5, "no checkpoint", ("state-norms", tmp_path / "killed")),
        (5, "line 1 is damaged: it is not JSON", ("curves", tmp_path / "damaged")),
        (5, "cannot be written: File exists", ("curves", trained(), "--out", tmp_path / "file")),
        (2, "", ("nothing", trained())),
        (2, "", ("kl", trained(), "--images", "0")),
    ]
    for expected, words, arguments in cases:
        code, _, err = command("analyze", *arguments)
        assert code == expected, (arguments, err)
        assert words in err
        assert "Traceback" not in err


def test_images_that_are_gone_are_one_error(
    trained: Trained, shared_images: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained()
    hidden = shared_images / "hidden.npy"
    (shared_images / "test.npy").rename(hidden)
    try:
        code, _, err = command("analyze", "kl", run, "--out", tmp_path / "out")
    finally:
        hidden.rename(shared_images / "test.npy")
    assert code == 4
    assert "Traceback" not in err


def test_the_command_modules_import_no_torch() -> None:
    modules = "hvaedsl.cli.analyze, hvaedsl.cli.compare, hvaedsl.cli.report"
    check = f"import sys, {modules}; sys.exit(bool({{'torch', 'matplotlib', 'numpy'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], timeout=120, check=False).returncode == 0
