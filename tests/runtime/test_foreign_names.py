"""Commands on a run whose folder has brackets, an emoji code and an escape sequence in its name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import hvaedsl
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings
from tests.cli.pty_session import all_on_terminal

NAME = "a [/wip] [bold]b :smile: \x1b[31m"
SHOWN = r"a [/wip] [bold]b :smile: \x1b[31m"


@pytest.fixture
def run(tmp_path: Path, spec_path: Path) -> str:
    """The name of a trained run in the folder of the test."""
    try:
        (tmp_path / NAME).mkdir(parents=True)
    except OSError:
        pytest.skip("the file system takes no such name")
    train(hvaedsl.load(spec_path), RunSettings(out=tmp_path / NAME, device="cpu", threads=1))
    return NAME


def test_they_are_printed_as_they_are(run: str, spec_path: Path, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / run, tmp_path / f"{run}2")
    commands = (
        ("eval", run),
        ("compare", run, f"{run}2"),
        ("sample", run),
        ("reconstruct", run, "--split", "test", "--out", f"{run}.npz"),
        ("export", run, "--to", "safetensors"),
        ("train", str(spec_path), "--out", f"{run}3", "--device", "cpu"),
        ("analyze", "state-norms", run),
        ("data", "verify", run),
    )
    for arguments, shown in zip(commands, all_on_terminal(commands, cwd=tmp_path, columns=200), strict=True):
        assert shown.code == (4 if arguments[0] == "data" else 0), shown.text
        assert "\x1b[31m" not in shown.raw
        assert (r"wip] [bold]b :smile: \x1b[31m2" if arguments[0] == "compare" else SHOWN) in shown.text
