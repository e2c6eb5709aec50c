"""Every example runs as its docstring says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import hvaedsl
from tests.soak import soak

EXAMPLES = Path(__file__).parents[2] / "examples"


SCRIPTS = [path for path in sorted(EXAMPLES.glob("*.py")) if not path.stem.startswith("custom_")]  # those are imported
FEWER_IMAGES = ("photographs",)  # test_photographs.py runs it in small


@pytest.mark.parametrize(
    "path", [soak(path) if path.stem in FEWER_IMAGES else path for path in SCRIPTS], ids=lambda path: path.stem
)
def test_script(path: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, path], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 5


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.hvae")), ids=lambda path: path.stem)
def test_spec(path: Path) -> None:
    program = hvaedsl.load(path)
    assert program.advice == ()
    program.training()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("custom_*.py")), ids=lambda path: path.stem)
def test_a_part_of_ones_own_takes_fewer_than_50_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 50
