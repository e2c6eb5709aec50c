"""The session for a GPU, run through on a CPU with a tiny model."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu_session
from benchmarks.gpu_session import LEAST_SECONDS, Session, agreement, main
from hvaedsl_runtime.train import step as training_step
from hvaedsl_runtime.train.compiling import compile_blocks


def session(seconds: float = 600) -> Session:
    return Session(io.StringIO(), torch.device("cpu"), seconds, is_small=True)


def lines_of(measured: Session) -> list[dict[str, Any]]:
    assert isinstance(measured.lines, io.StringIO)
    return [json.loads(line) for line in measured.lines.getvalue().splitlines()]


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch's compiler looks at it
def test_every_part_writes_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_step, "compile_blocks", lambda model: compile_blocks(model, "eager"))  # in seconds
    monkeypatch.setattr(gpu_session, "MODELS", (("digits", 2),))
    assert main(["--out", str(tmp_path), "--small", "--device", "cpu"]) == 0
    lines = [json.loads(line) for line in (tmp_path / "figures.jsonl").read_text().splitlines()]
    by_part = {line["what"]: line for line in lines}
    assert set(by_part) == {
        "device",
        "agreement",
        "step",
        "memory",
        "compiled",
        "ceiling",
        "large batch",
        "reduction",
        "mnist",
    }
    assert not any("failed" in line or "skipped" in line for line in lines)
    assert 0 < by_part["large batch"]["share_of_matrix_ceiling"] < 1
    assert by_part["memory"]["peak_mib"] is None  # of a CPU
    assert set(by_part["mnist"]["test_nats"]) == {"raw", "ema"}
    assert list(tmp_path.iterdir()) == [tmp_path / "figures.jsonl"]


def test_precisions_are_as_far_from_float64_as_they_should_be(capsys: pytest.CaptureFixture[str]) -> None:
    measured = session()
    agreement(measured)
    found = {line["precision"]: line for line in lines_of(measured)}
    assert found["float64"]["gradient"] == 0  # the same computation twice
    assert 1e-8 < found["float32"]["gradient"] < 1e-4
    assert 1e-4 < found["bfloat16"]["gradient"] < 0.1
    assert len(capsys.readouterr().out.splitlines()) == 4  # each is printed too


def test_a_part_that_fails_is_a_line_and_the_next_one_runs() -> None:
    measured = session()
    measured.attempt("one", lambda: 1 / 0)
    measured.attempt("two", lambda: measured.write("two", value=2))
    one, two = lines_of(measured)
    assert one["failed"] == "ZeroDivisionError: division by zero"
    assert str(one["place"]).startswith("test_gpu_session.py:")
    assert two["value"] == 2
    assert measured.failed == ["one"]


def test_without_time_a_part_is_left_out() -> None:
    measured = session(seconds=LEAST_SECONDS - 1)
    measured.attempt("one", lambda: pytest.fail("there was no time"))
    assert [(line["what"], line["skipped"]) for line in lines_of(measured)] == [("one", "no time left")]
