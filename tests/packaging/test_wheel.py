"""The wheel as a user installs it: base dependencies alone, in a clean environment, outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.long


def run(*command: str | Path, cwd: Path, code: int = 0) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment, check=False, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def uv() -> Path:
    """The uv beside the interpreter of the tests."""
    return Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def hvaedsl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(uv(), "build", "--quiet", "--wheel", "--out-dir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("hvaedsl-*.whl")
    run(uv(), "venv", "--quiet", "--python", sys.executable, folder / "env", cwd=folder)
    python = folder / "env" / "bin" / "python"
    run(uv(), "pip", "install", "--quiet", "--python", python, "-c", ROOT / "constraints.txt", wheel, cwd=folder)
    return python.with_name("hvaedsl")


def test_compiles_and_draws_a_shipped_spec(hvaedsl: Path, tmp_path: Path) -> None:
    said = run(hvaedsl, "compile", "cifar_ws.hvae", "--render", cwd=tmp_path)
    assert "39,145,700 parameters, stochastic depth 105" in said
    assert (tmp_path / "cifar_ws.svg").read_text().startswith("<?xml")


def test_a_spec_of_ones_own_extends_a_shipped_one(hvaedsl: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.hvae").write_text('hvae 1\nextends "digits.hvae"\nmodel { width = 16 }\n')
    assert "width      = 16" in run(hvaedsl, "show", "mine.hvae", cwd=tmp_path)
    assert "nothing found" in run(hvaedsl, "lint", "mine.hvae", cwd=tmp_path)


def test_has_no_torch_and_says_how_to_get_it(hvaedsl: Path, tmp_path: Path) -> None:
    run(hvaedsl.with_name("python"), "-c", "import torch", cwd=tmp_path, code=1)
    said = run(hvaedsl, "train", "digits.hvae", cwd=tmp_path, code=2)
    assert "pip install 'hvaedsl[train]'" in said
    assert "Traceback" not in said
