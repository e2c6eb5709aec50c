from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from hvaedsl.diagnostics.errors import RunError
from hvaedsl_runtime.analysis import curves
from hvaedsl_runtime.analysis.base import Subject
from hvaedsl_runtime.analysis.history import Curve, read_history
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.evaluate.finished_run import FinishedRun


def train_line(step: int, loss: float | None, **more: object) -> dict[str, object]:
    return {
        "step": step,
        "split": "train",
        "loss_nats_per_dim": loss,
        "gradient_norm": 1.0,
        "applied": True,
        "wall_seconds": step / 2,
        **more,
    }


def write_log(path: Path, *lines: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_smoothing_is_the_moving_average_over_a_fiftieth() -> None:
    values = np.arange(200.0) ** 2
    values[[7, 90, 91, 92, 93]] = [math.nan, math.inf, math.nan, math.nan, math.nan]
    smoothed = Curve(np.arange(200.0), np.arange(200.0), values).smoothed().values
    for position in range(200):
        window = values[max(0, position - 3) : position + 1]
        window = window[np.isfinite(window)]
        if len(window):
            assert smoothed[position] == pytest.approx(window.mean(), rel=1e-9, abs=1e-9)
        else:
            assert math.isnan(smoothed[position])


def test_a_log_is_read_by_split_and_weights(tmp_path: Path) -> None:
    evaluation = {"split": "validation", "wall_seconds": 1.0, "loss_nats_per_dim": 2.5}
    history = read_history(
        write_log(
            tmp_path / "metrics.jsonl",
            train_line(1, 4.0),
            train_line(2, None, applied=False),
            {**evaluation, "step": 2, "weights": "raw", "kl_nats": [0.001, 3.0, None]},
            {**evaluation, "step": 2, "weights": "ema"},
        )
    )
    assert history.last_step == 2
    assert history.wall_seconds == 1.0
    assert history.skipped_steps == (2,)
    assert math.isnan(history.loss_nats_per_dim.values[1])
    raw = curves.collapsed_over_steps(history, "validation", "raw")
    assert (raw.steps.tolist(), raw.values.tolist()) == ([2.0], [1.0])
    assert not len(curves.collapsed_over_steps(history, "validation", "ema").steps)
    assert history.bounds("validation", "ema").values.tolist() == [2.5]
    assert history.last("test", "raw") is None


@pytest.mark.parametrize("line", ["[1, 2]", '{"step": 1}', '{"step": "x", "split": "train"}', "nonsense"])
def test_a_file_that_is_not_a_log_is_one_error(tmp_path: Path, line: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(f"{line}\n{line}\n", encoding="utf-8")
    with pytest.raises(RunError) as caught:
        read_history(path)
    assert caught.value.exit_code == 5
    with pytest.raises(RunError, match="log not found"):
        read_history(tmp_path / "nothing.jsonl")


def test_curves_count_the_collapsed_layers_that_evaluations_logged(subject_of: Callable[..., Subject]) -> None:
    subject = subject_of()
    data = cast(dict[str, Any], curves.ANALYSIS.run(subject).data)
    lines = read_metrics(subject.run.folder.metrics)
    logged = [line for line in lines if line["split"] == "validation" and line["weights"] == "raw"]
    assert [len(line["kl_nats"]) for line in logged] == [6, 6]
    for line in logged:
        assert sum(line["kl_nats"]) == pytest.approx(line["rate_nats_per_dim"] * 64, rel=1e-5)
    assert data["collapsed_layers"]["raw"] == {
        "steps": [4.0, 8.0],
        "layers": [sum(kl < 0.005 for kl in line["kl_nats"]) for line in logged],
    }
    assert data["evaluations"]["validation/raw"]["bits_per_dim"] == pytest.approx(
        [line["bits_per_dim"] for line in logged]
    )


def test_a_log_without_kl_has_no_collapsed_layers(trained: Callable[..., Path], tmp_path: Path) -> None:
    shutil.copytree(trained(), tmp_path / "run")
    log = tmp_path / "run" / "metrics.jsonl"
    lines = read_metrics(log)
    subject = Subject(FinishedRun.open(tmp_path / "run", "cpu"))
    assert len(curves.ANALYSIS.run(subject).drawings[0].figure.axes) == 3
    write_log(log, *({key: value for key, value in line.items() if key != "kl_nats"} for line in lines))
    result = curves.ANALYSIS.run(subject)
    assert "no KL per layer" in result.text
    assert len(result.drawings[0].figure.axes) == 2
    write_log(log, *(line for line in lines if line["split"] == "train"))
    assert "has no evaluation yet" in curves.ANALYSIS.run(subject).text


def test_a_run_without_a_single_step_in_its_log_can_be_drawn(tmp_path: Path) -> None:
    history = read_history(write_log(tmp_path / "metrics.jsonl"))
    assert history.last_step == 0
    assert history.wall_seconds == 0.0
