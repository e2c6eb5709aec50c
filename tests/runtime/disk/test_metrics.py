from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hvaedsl.diagnostics.errors import DamagedRun, RunError, UsageError
from hvaedsl_runtime.disk.metrics import MetricsLog, read_metrics, start_wandb


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_one_json_object_a_line_and_null_for_what_is_not_finite(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", 0)
    log.write({"step": 1, "split": "train", "loss": 0.5, "applied": True})
    log.write({"step": 2, "split": "train", "loss": math.nan, "gradient_norm": math.inf})
    log.close(failed=False)
    assert lines(tmp_path / "metrics.jsonl") == [
        {"step": 1, "split": "train", "loss": 0.5, "applied": True},
        {"step": 2, "split": "train", "loss": None, "gradient_norm": None},
    ]


def test_opening_drops_the_lines_beyond_the_checkpoint_and_a_cut_one(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    kept = [{"step": s, "split": split} for s, split in ((1, "train"), (2, "train"), (2, "validation"))]
    path.write_text(
        "".join(
            json.dumps(line) + "\n" for line in [*kept, {"step": 2, "split": "test"}, {"step": 3, "split": "train"}]
        )
        + '{"step": 4, "sp'
    )
    log = MetricsLog(path, 2)
    assert lines(path) == kept
    assert log.evaluated_step == 2
    log.write({"step": 3, "split": "train"})
    log.close(failed=False)
    assert [line["step"] for line in lines(path)] == [1, 2, 2, 3]


@pytest.mark.parametrize("whole", [True, False])
def test_an_evaluation_is_kept_whole_or_not_at_all(tmp_path: Path, whole: bool) -> None:
    path = tmp_path / "metrics.jsonl"
    evaluated = [{"step": step, "split": "validation", "weights": name} for step in (2, 4) for name in ("raw", "ema")]
    kept = [{"step": 1, "split": "train"}, *evaluated[:2], {"step": 4, "split": "train"}]
    text = "".join(json.dumps(line) + "\n" for line in [*kept, *evaluated[2:]])
    path.write_text(text if whole else text[:-3])
    log = MetricsLog(path, 4)
    log.close(failed=False)
    assert lines(path) == ([*kept, *evaluated[2:]] if whole else kept)
    assert log.evaluated_step == (4 if whole else 2)


def test_a_line_is_there_before_the_next(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", 0)
    log.write({"step": 1, "split": "train"})
    assert len(lines(tmp_path / "metrics.jsonl")) == 1
    log.close(failed=False)


def test_a_spoilt_line_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1\n{"step": 2, "split": "train"}\n')
    with pytest.raises(RunError, match="line 1 is not JSON"):
        read_metrics(path)


@pytest.mark.parametrize(
    "content", [b"[1]\n[2]\n", b'{"split": "train"}\n', b"3\n4\n", b"\xcf\xff\n", b"[" * 100_000 + b"\n{}\n"]
)
def test_a_file_that_is_not_a_log_is_one_error_when_it_is_read_and_when_a_run_resumes(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(content)
    for read in (read_metrics, lambda path: MetricsLog(path, 0)):
        with pytest.raises(DamagedRun) as caught:
            read(path)
        assert "backup" in caught.value.help
    assert path.read_bytes() == content


def test_wandb_is_imported_only_when_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert start_wandb("off", tmp_path, "name", {}) is None
    with pytest.raises(UsageError, match=r"hvaedsl\[train\]"):
        start_wandb("offline", tmp_path, "name", {})


def test_wandb_gets_the_metrics_by_split_and_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[tuple[dict[str, float], int]] = []
    finished: list[int] = []
    settings: dict[str, Any] = {}

    def init(**given: Any) -> SimpleNamespace:
        settings.update(given)
        return SimpleNamespace(
            log=lambda values, step: logged.append((values, step)), finish=lambda exit_code: finished.append(exit_code)
        )

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Error=OSError))
    log = MetricsLog(tmp_path / "metrics.jsonl", 0, start_wandb("offline", tmp_path, "small", {"seed": 3}))
    log.write({"step": 1, "split": "train", "loss": 0.5})
    log.write({"step": 1, "split": "validation", "weights": "ema", "loss": 0.25})
    log.close(failed=False)
    assert (settings["mode"], settings["name"], settings["config"]) == ("offline", "small", {"seed": 3})
    assert logged == [({"train/loss": 0.5}, 1), ({"validation/ema/loss": 0.25}, 1)]
    assert finished == [0]


def test_wandb_without_a_login_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLoginError(Exception):
        pass

    def init(**_: Any) -> None:
        raise NoLoginError("No API key configured")

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Error=NoLoginError))
    with pytest.raises(UsageError, match="No API key configured; --wandb offline"):
        start_wandb("online", tmp_path / "run", "small", {})
