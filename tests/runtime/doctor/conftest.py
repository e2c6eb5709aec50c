"""A small trained run, and copies of it whose log is another one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import hvaedsl
from hvaedsl_runtime.disk.checked_json import CRC32, checked_content, checked_text
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings

Line = dict[str, Any]
Logged = Callable[..., Path]

SPEC = """hvae 1
data { dataset = digits validation = 20 }
model { width = 4 latent = 1 encoder = 8x1, 8d2, 4x1 decoder = 4x1, 8m4, 8x1 }
train { steps = 6 batch_size = 4 learning_rate = 1e-3 eval_every = 2 save_every = 2 ema_decay = 0.5 }
sample { count = 1 }
"""
KL = [1.0, 2.0, 3.0]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of six steps, in whose log every layer carries information."""
    folder = tmp_path_factory.mktemp("doctor")
    (folder / "small.hvae").write_text(SPEC)
    train(hvaedsl.load(folder / "small.hvae"), RunSettings(out=folder / "run", device="cpu", threads=1))
    lines = lines_of(folder / "run")
    for line in lines:
        if "kl_nats" in line:
            line |= {"kl_nats": KL} | ({"collapsed": [], "active_units": [9, 9, 9]} if "collapsed" in line else {})
    write_lines(folder / "run", lines)
    return folder / "run"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def logged(run: Path) -> Logged:
    """Give the run a log of so many training steps, each changed by a function, with more lines behind it."""

    def write(steps: int = 0, change: Callable[[Line], Line] = lambda line: line, more: Iterable[Line] = ()) -> Path:
        lines = [change(step_line(step)) for step in range(1, steps + 1)] if steps else lines_of(run)
        write_lines(run, [*lines, *more])
        return run

    return write


def step_line(step: int) -> Line:
    """The line of a training step with nothing wrong about it."""
    return {
        "step": step,
        "split": "train",
        "loss_nats_per_dim": 2.0 - step / 10_000,
        "gradient_norm": 1.0 + 0.1 * (step % 7),
        "learning_rate": 1e-3 if step > 1 else 0.0,
        "applied": True,
        "skipped_updates": 0,
        "wall_seconds": step * 0.5,
    }


def evaluation(step: int, raw: float, ema: float, split: str = "validation", kl: list[float] = KL) -> list[Line]:
    """The lines of an evaluation."""
    about = {"step": step, "split": split, "wall_seconds": step * 0.5}
    return [
        {**about, "weights": name, "loss_nats_per_dim": x, "kl_nats": kl} for name, x in (("raw", raw), ("ema", ema))
    ]


def event(step: int, kind: str, **values: Any) -> Line:
    """The line of an event."""
    return {"step": step, "split": "event", "event": kind, **values}


def resumed(step: int, time: str = "2026-01-01T00:00:00+00:00") -> Line:
    """The line with which a run goes on."""
    return {"step": step, "split": "resumed", "repeats_evaluation": False, "time": time, "version": "0"}


def lines_of(run: Path) -> list[Line]:
    """The lines of a log, without their checksums."""
    return [checked_content(text, CRC32) for text in (run / "metrics.jsonl").read_bytes().splitlines()]


def write_lines(run: Path, lines: Iterable[Line]) -> None:
    """Write a log with checksums."""
    (run / "metrics.jsonl").write_text("".join(f"{checked_text(line, CRC32)}\n" for line in lines))


def change_json(path: Path, **values: Any) -> None:
    """Change members of a JSON file with a checksum, which then has none, as files of earlier versions have none."""
    content = json.loads(path.read_text()) | values
    del content["sha256"]
    path.write_text(json.dumps(content))
