"""What a shell is offered, asked as a shell asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hvaedsl.cli.completion import complete_spec
from hvaedsl.ir.cells import CELL_NAMES
from hvaedsl.ir.datasets import NAMES
from hvaedsl.shipped import shipped

RUN = "import sys; sys.argv[0] = 'hvaedsl'; from hvaedsl.cli.main import run; run()"


def completed(*words: str, folder: Path | None = None) -> list[str]:
    environment = {
        **os.environ,
        "_HVAEDSL_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("hvaedsl", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN], capture_output=True, text=True, env=environment, check=False, cwd=folder
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("dif",), ["diff"]),
        (("explain", "HV30"), [f"HV30{i}" for i in range(1, 10)]),
        (("explain", "hv303"), ["hv303"]),
        (("explain", "ce"), ["cell"]),
        (("explain", "cell", "n"), [name for name in CELL_NAMES if name.startswith("n")]),
        (("explain", "HV303", "n"), []),
        (("data", "prepare", "cel"), ["celeba"]),
        (("new", "mine", "--dataset", ""), list(NAMES)),
        (("compile", "digits", "--set", "train.kl.f"), ["train.kl.free_nats="]),
    ],
)
def test_words(words: tuple[str, ...], found: list[str]) -> None:
    assert sorted(completed(*words)) == sorted(found)


def test_specs_are_files_and_shipped_names(tmp_path: Path) -> None:
    (tmp_path / "cifar_mine.hvae").touch()
    (tmp_path / "cifar_notes.txt").touch()
    found = completed("train", "cifar", folder=tmp_path)
    assert "cifar_mine.hvae" in found
    assert {path.stem for path in shipped("specs").glob("cifar*.hvae")} <= set(found)
    assert "cifar_notes.txt" not in found


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("models/a.hvae", "models/deep/b.hvae", "empty/notes.txt", ".hidden/c.hvae"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    assert complete_spec("mod") == ["models/a.hvae"]
    assert complete_spec("models/") == ["models/a.hvae", "models/deep/b.hvae"]
    assert complete_spec("emp") == ["empty/"]
    assert complete_spec(".hid") == [".hidden/c.hvae"]
    assert not [name for name in complete_spec("") if "hidden" in name]
    assert complete_spec("nowhere/x") == complete_spec("a\0b") == []


def test_a_command_that_starts_looks_nothing_up() -> None:
    code = (
        "import sys\nfrom hvaedsl.cli.main import run\nsys.argv = ['hvaedsl', '--version']\n"
        "try:\n    run()\nexcept SystemExit:\n    pass\n"
        "heavy = {'hvaedsl.report', 'hvaedsl.diff', 'hvaedsl.draft', 'hvaedsl.fmt', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_the_script_of_a_shell_is_shown(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, "--show-completion", shell],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "HVAEDSL_COMPLETE" in done.stdout
