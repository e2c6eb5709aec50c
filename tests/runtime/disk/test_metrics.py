from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hvaedsl.diagnostics.errors import DamagedRun, RunError, UsageError
from hvaedsl.diagnostics.printable import printable_message
from hvaedsl.ir.run_options import WandbMode
from hvaedsl_runtime.disk.metrics import MetricsLog, read_metrics, start_wandb
from hvaedsl_runtime.disk.run_folder import RunFolder


def lines(path: Path) -> list[dict[str, Any]]:
    return read_metrics(path)


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
    assert lines(path) == log.kept == kept
    assert (log.evaluated_step, log.repaired > 0) == (2, True)
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
    with pytest.raises(RunError, match="line 1 is damaged: it is not JSON"):
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


class FakeWandb:
    """The package wandb as far as it is used: the settings of each run, what it logs and how it ends."""

    Error = OSError

    def __init__(self) -> None:
        self.settings: list[dict[str, Any]] = []
        self.logged: list[tuple[dict[str, Any], int]] = []
        self.finished: list[int] = []

    def init(self, **given: Any) -> SimpleNamespace:
        self.settings.append(given)
        return SimpleNamespace(
            id=given["id"] or f"id-{len(self.settings)}",
            log=lambda values, step: self.logged.append((values, step)),
            finish=lambda exit_code: self.finished.append(exit_code),
        )


def test_wandb_is_imported_only_when_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert start_wandb("off", RunFolder(tmp_path), {}) is None
    with pytest.raises(UsageError, match=r"hvaedsl\[train\]"):
        start_wandb("offline", RunFolder(tmp_path), {})

    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    log = MetricsLog(tmp_path / "metrics.jsonl", 0, start_wandb("offline", RunFolder(tmp_path / "small"), {"seed": 3}))
    log.write({"step": 1, "split": "train", "loss": 0.5})
    log.write({"step": 1, "split": "validation", "weights": "ema", "loss": 0.25})
    log.close(failed=False)
    (settings,) = fake.settings
    assert (settings["mode"], settings["name"], settings["config"]) == ("offline", "small", {"seed": 3})
    assert fake.logged == [({"train/loss": 0.5}, 1), ({"validation/ema/loss": 0.25}, 1)]


def test_a_density_has_curves_of_its_own_at_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    log = MetricsLog(tmp_path / "metrics.jsonl", 0, start_wandb("offline", RunFolder(tmp_path / "small"), {}))
    log.write({"step": 1, "split": "train", "gives": "density", "loss": -0.5})
    log.write({"step": 1, "split": "test", "weights": "raw", "gives": "not stated", "loss": 0.25})
    log.close(failed=False)
    assert fake.logged == [({"train/density/loss": -0.5}, 1), ({"test/raw/not_stated/loss": 0.25}, 1)]
    assert fake.finished == [0]


def test_the_wandb_run_of_a_folder_is_resumed_and_named_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    for name in ("first", "first", "second"):
        start_wandb("offline", RunFolder(tmp_path / name), {})
    chosen = [(one["name"], one["id"], one["resume"]) for one in fake.settings]
    assert chosen == [("first", None, None), ("first", "id-1", "allow"), ("second", None, None)]

    RunFolder(tmp_path / "first").check_free(resume=False)  # a run that ended before its first file
    RunFolder(tmp_path / "first").wandb_identity.write_text("{")
    with pytest.raises(DamagedRun, match="cannot be read: it is not JSON"):
        start_wandb("offline", RunFolder(tmp_path / "first"), {})


@pytest.mark.parametrize(
    ("option", "variable", "used"),
    [
        ("online", "disabled", None),
        ("offline", "disabled", None),
        ("online", "offline", "offline"),
        ("online", "dryrun", "offline"),
        ("offline", "online", "offline"),
        ("online", "Online", "online"),
        ("online", "", "online"),
        ("off", "online", None),
        ("off", "of", None),
    ],
)
def test_wandb_mode_is_honored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: WandbMode, variable: str, used: str | None
) -> None:
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake if used is not None else None)
    monkeypatch.setenv("WANDB_MODE", variable)
    started = start_wandb(option, RunFolder(tmp_path / "run"), {})
    assert (started is None) == (used is None)
    assert [settings["mode"] for settings in fake.settings] == ([] if used is None else [used])


def test_an_unknown_wandb_mode_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "of")
    with pytest.raises(UsageError, match="WANDB_MODE is of; it must be online, offline or disabled"):
        start_wandb("online", RunFolder(tmp_path / "run"), {})


def test_wandb_without_a_login_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLoginError(Exception):
        pass

    def init(**_: Any) -> None:
        raise NoLoginError("No API key configured.\nUse `wandb login`.")

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Error=NoLoginError))
    with pytest.raises(UsageError, match="No API key") as caught:
        start_wandb("online", RunFolder(tmp_path / "run"), {})
    assert printable_message(caught.value.report).splitlines() == [
        "Weights & Biases: No API key configured.",
        "  Use `wandb login`",
        "  help: --wandb offline needs no login",
    ]
    assert not RunFolder(tmp_path / "run").wandb_identity.exists()


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("WANDB_PROJECT", "a/b", "Invalid project name 'a/b'"),
        ("WANDB_RUN_ID", "a/b", "Run ID cannot contain the characters"),
        ("WANDB_QUIET", "maybe", "WANDB_QUIET is 'maybe': Input should be a valid boolean"),
        ("WANDB_RESUME", "perhaps", "WANDB_RESUME is 'perhaps': Input should be 'allow'"),
    ],
)
def test_a_variable_that_wandb_refuses_is_one_error(tmp_path: Path, variable: str, value: str, reason: str) -> None:
    pytest.importorskip("wandb")
    options = ["--set", "train.steps=1", "--wandb", "offline", "--out", str(tmp_path / "run")]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("WANDB_")}
    ended = subprocess.run(  # a process of its own, since wandb reads the variables once
        [sys.executable, "-m", "hvaedsl", "train", "digits", *options],
        env={**environment, variable: value}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert f"error: Weights & Biases: {reason}" in ended.stderr
    assert f"  help: correct or unset {variable}, or train without --wandb\n" in ended.stderr


def test_wandb_without_a_home_folder_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: Any) -> None:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Error=OSError))
    with pytest.raises(UsageError, match=r"Biases: Could not determine home directory$") as caught:
        start_wandb("offline", RunFolder(tmp_path / "run"), {})
    assert "HOME" in caught.value.help
