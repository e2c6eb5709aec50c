"""`hvaedsl sweep` before anything is trained."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hvaedsl.cli.main import run

Command = Callable[..., tuple[object, str, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["hvaedsl", "sweep", *arguments])
        with pytest.raises(SystemExit) as ended:
            run()
        return ended.value.code or 0, *capsys.readouterr()

    return call


def test_a_dry_run_shows_every_point_and_writes_nothing(command: Command, tmp_path: Path) -> None:
    code, out, _ = command("mnist_r", "--let", "n=1,2,3,5,10,20", "--seeds", "3", "--steps", "400", "--dry-run")
    assert code == 0
    assert "6 points, 3 seeds, 18 runs" in out
    depths = [line.split() for line in out.splitlines() if line.split()[:1] in (["1"], ["20"])]
    assert [words[1:3] for words in depths] == [["106,689", "9"], ["106,689", "104"]]
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_as_json_with_the_parameters_held(command: Command) -> None:
    code, out, _ = command("cifar", "--vary", "model.latent=16,128", "--match-parameters", "--dry-run", "--json")
    assert code == 0
    small, large = json.loads(out)["points"]
    assert small["matched"]["target"] == large["matched"]["target"] == small["parameters"]
    assert abs(large["parameters"] / small["parameters"] - 1) < 0.002
    assert large["stochastic_depth"] == small["stochastic_depth"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("missing.hvae --let n=1", 2, "missing.hvae"),
        ("mnist_r --let n=1,1", 2, "duplicate value 1"),
        ("mnist_r --let n=0,1", 1, "n=0"),
        ("mnist_r --let k=1,2", 1, "HV209"),
        ("mnist_r --vary model.cell", 2, "KEY=VALUE"),
        ("mnist_r --vary model.cel=a,b", 1, "model.cel"),
        ("mnist_r --seeds none", 2, "--seeds"),
        ("mnist_r --steps 10 --set train.steps=20", 2, "--steps"),
        ("mnist_r --target 100k", 2, "--match-parameters"),
        ("mnist_r --match-parameters --target much", 2, "--target"),
        ("mnist_r --set train.seed=3", 2, "--seeds"),
    ],
)
def test_mistakes_are_told_before_anything_starts(
    command: Command, tmp_path: Path, arguments: str, code: int, words: str
) -> None:
    ended, out, err = command(*arguments.split())
    assert ended == code
    assert words in err
    assert out == ""
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_planning_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['numpy'] = sys.modules['matplotlib'] = None\n"
        "from hvaedsl.cli.main import run\n"
        "sys.argv = ['hvaedsl', 'sweep', 'digits', '--vary', 'model.latent=2,4'] + sys.argv[1:]\nrun()"
    )
    planned, trained = (
        subprocess.run([sys.executable, "-c", code, *more], capture_output=True, text=True, cwd=tmp_path, check=False)
        for more in (["--dry-run"], [])
    )
    assert planned.returncode == 0, planned.stderr
    assert trained.returncode == 2
    assert "hvaedsl[train]" in trained.stderr
