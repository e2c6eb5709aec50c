"""Run folders that versions with earlier formats left after 5 of 9 steps: copied, resumed, and compared.

A folder `format_N` has the files of such a run, and `resumed.jsonl`, the metrics with which that version continued it.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import hvaedsl
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings


def copied(left: Path, run: Path, *checkpoints: str) -> Path:
    """Copy a run to a new folder, with these of its checkpoints."""
    (run / "checkpoints").mkdir(parents=True)
    for name in ("spec.hvae", "run.json", "metrics.jsonl"):
        shutil.copy(left / name, run / name)
    for name in checkpoints:
        unpacked(left, name, run / "checkpoints")
    return run


def unpacked(left: Path, name: str, folder: Path) -> Path:
    path = folder / name
    path.write_bytes(gzip.decompress((left / f"{name}.gz").read_bytes()))
    return path


def resume(run: Path, spec: Path | None = None) -> None:
    """Train to step 9, with the spec of the run or another one."""
    program = hvaedsl.load(spec or run / "spec.hvae", sets={"train.steps": 9})
    train(program, RunSettings(out=run, resume=True, device="cpu", threads=1))


def assert_as_resumed(found: Sequence[dict[str, Any]], left: Path) -> None:
    """The lines of a log are those with which the earlier version continued the run."""
    expected = [json.loads(line) for line in (left / "resumed.jsonl").read_text().splitlines()]
    for line, wanted in zip(found, expected, strict=True):
        assert line.keys() == wanted.keys()
        for key, value in wanted.items():
            # Equal to the bit on the machine that wrote it; others round differently.
            if key != "wall_seconds":
                assert line[key] == (pytest.approx(value, rel=1e-4) if isinstance(value, float | list) else value), key
