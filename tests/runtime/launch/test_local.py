from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hvaedsl import Program
from hvaedsl.diagnostics.errors import (
    CompilerBug,
    InvalidData,
    ProcessFailed,
    ProcessLost,
    RunError,
    SpecError,
    Stopped,
    UsageError,
)
from hvaedsl_runtime.distributed import losses_explained
from hvaedsl_runtime.launch.elastic import first_error, start_workers
from hvaedsl_runtime.launch.failure import Failure
from hvaedsl_runtime.launch.local import launch
from hvaedsl_runtime.launch.task import RunTask, running_module
from hvaedsl_runtime.train.settings import RunSettings

Compiled = Callable[..., Program]
Curve = Callable[[Path], list[dict[str, Any]]]


def settings(out: Path, gpus: int = 1) -> RunSettings:
    return RunSettings(out=out, gpus=gpus, device="cpu", threads=1, dtype="float64")


def assert_close(one: list[dict[str, Any]], two: list[dict[str, Any]]) -> None:
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        for key, value in a.items():
            assert b[key] == (pytest.approx(value, rel=1e-12) if isinstance(value, float | list) else value), key


@pytest.mark.long
def test_two_processes_train_like_one(
    tmp_path: Path, compiled: Compiled, binary: dict[str, object], curve: Curve
) -> None:
    """With skipped updates, dynamic binarization and parameters without a gradient."""
    sets = {**binary, "train.steps": 20, "train.eval_every": 10, "train.batch_size": 4}
    assert compiled(sets).without_gradient
    launch(compiled(sets), settings(tmp_path / "probe"))
    norms = [line["gradient_norm"] for line in curve(tmp_path / "probe") if line["split"] == "train"]
    sets["train.skip_above"] = median(norms)
    launch(compiled(sets), settings(tmp_path / "one"))
    launch(compiled(sets), settings(tmp_path / "two", gpus=2))
    assert_close(curve(tmp_path / "one"), curve(tmp_path / "two"))
    applied = [line["applied"] for line in curve(tmp_path / "two") if line["split"] == "train"]
    assert 0 < sum(applied) < 20
    assert json.loads((tmp_path / "two" / "summary.json").read_text())["processes"] == 2


@pytest.mark.long
@pytest.mark.soak
def test_two_processes_resume_where_an_evaluation_was_done(tmp_path: Path, compiled: Compiled, curve: Curve) -> None:
    run = settings(tmp_path / "run", gpus=2)
    resumed = run.model_copy(update={"resume": True})
    sets: dict[str, object] = {}
    launch(compiled(sets), run)
    before = curve(run.out), (run.out / "summary.json").read_text()
    launch(compiled(sets), resumed)
    assert (curve(run.out), (run.out / "summary.json").read_text()) == before
    launch(compiled({**sets, "train.steps": 14}), resumed)
    launch(compiled({"train.steps": 14}), settings(tmp_path / "one"))
    assert_close(curve(tmp_path / "one"), curve(run.out))


@pytest.mark.long
def test_an_error_of_the_workers_is_one_error(
    tmp_path: Path, compiled: Compiled, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RunError, match="no update was applied in all 12 steps") as caught:
        launch(compiled({"train.skip_above": 1e-9}), settings(tmp_path / "run", gpus=2))
    assert caught.value.exit_code == 7
    assert "train.skip_above" in caught.value.help
    assert "Traceback" not in capfd.readouterr().err


def ended(failure: Failure | None = None, *, exitcode: int = 1, message: str = "", timestamp: int = 0) -> Any:
    """How torch's launcher knows a process that ended: what it left in its error file, if anything, and its status."""
    left = {} if failure is None else failure.model_dump(mode="json")
    return SimpleNamespace(error_file_data=left, exitcode=exitcode, message=message, timestamp=timestamp)


def raised(error: Exception, at: float) -> Any:
    return ended(Failure.of(error).model_copy(update={"raised_at": at}))


def test_what_was_raised_for_the_user_goes_before_what_followed_from_it() -> None:
    broken = raised(RuntimeError("Connection closed by peer"), 1.0)
    cause = raised(InvalidData("image 7 is damaged", help="remove it"), 2.0)
    later = raised(InvalidData("image 9 is damaged"), 3.0)
    error = first_error({0: broken, 1: later, 2: cause})
    assert type(error) is InvalidData
    assert (str(error), error.help, error.exit_code) == ("image 7 is damaged", "remove it", 4)


def test_our_own_bug_in_a_worker_is_told_with_its_traceback() -> None:
    try:
        raise ZeroDivisionError("boom")
    except ZeroDivisionError as caught:
        error = first_error({0: raised(caught, 1.0)})
    assert isinstance(error, CompilerBug)
    assert 'raise ZeroDivisionError("boom")' in str(error)


KILLED: dict[str, Any] = {"message": "Signal 9 (SIGKILL) received by PID 5", "exitcode": -9}
BY_LAUNCHER: dict[str, Any] = {"message": "Signal 15", "exitcode": -15}


def test_a_worker_that_was_killed_is_told() -> None:
    error = first_error(
        {0: ended(message="its peer is gone", exitcode=-6, timestamp=2), 1: ended(**KILLED, timestamp=1)}
    )
    assert isinstance(error, ProcessFailed)
    assert str(error) == "training process 1 was killed by SIGKILL (out of main memory?)"
    assert error.exit_code == 137


@pytest.mark.parametrize(
    "survivor",
    [
        RuntimeError("an unknown library lost its peer"),
        ProcessLost("another process has ended"),
        Stopped("stopped by SIGTERM", signal=15),  # by the launcher
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_worker_that_was_killed_goes_before_what_followed_in_others(survivor: Exception) -> None:
    error = first_error({0: raised(survivor, 1.5), 1: ended(**KILLED, timestamp=1), 2: ended(**BY_LAUNCHER)})
    assert isinstance(error, ProcessFailed)
    assert (error.exit_code, "training process 1 was killed by SIGKILL" in str(error)) == (137, True)


@pytest.mark.parametrize("cause", [ZeroDivisionError("boom"), Stopped("stopped by SIGUSR1", signal=10)])
def test_a_worker_that_the_launcher_killed_later_is_not_the_cause(cause: Exception) -> None:
    error = first_error({0: raised(cause, 1.0), 1: ended(**KILLED, timestamp=32)})
    assert type(error) is (CompilerBug if isinstance(cause, ZeroDivisionError) else Stopped)


def test_a_lost_process_is_the_cause_only_if_there_is_no_other() -> None:
    lost = raised(ProcessLost("another process has ended"), 1.0)
    assert type(first_error({0: lost, 1: raised(ValueError("boom"), 2.0)})) is CompilerBug
    assert type(first_error({0: lost, 1: raised(InvalidData("damaged"), 2.0)})) is InvalidData
    assert type(first_error({0: lost, 1: ended(exitcode=5, timestamp=1)})) is ProcessFailed
    assert type(first_error({0: lost, 1: ended(**BY_LAUNCHER)})) is ProcessLost


def test_a_signal_before_the_training_began_stops_the_run() -> None:
    error = first_error({0: ended(exitcode=-10, timestamp=1), 1: ended(**BY_LAUNCHER, timestamp=1)})
    assert isinstance(error, Stopped)
    assert error.exit_code == 138
    assert first_error({0: ended(**BY_LAUNCHER), 1: ended(**BY_LAUNCHER)}).exit_code == 143


def test_a_process_that_loses_one_which_a_signal_stopped_is_not_the_cause() -> None:
    lost = raised(ProcessLost("another process has ended"), 1.0)
    assert first_error({0: lost, 1: ended(exitcode=-10, timestamp=2)}).exit_code == 138
    assert first_error({0: lost, 1: raised(Stopped("stopped by SIGTERM", signal=15), 2.0)}).exit_code == 143


def test_a_worker_that_left_no_reason_is_told() -> None:
    error = first_error({0: ended(message="To enable traceback see: ...", exitcode=5)})
    assert isinstance(error, ProcessFailed)
    assert str(error) == "training process 0 ended with exit code 5 and reported no error"
    assert "output above" in error.help
    assert error.exit_code == 5


@pytest.mark.long
def test_a_worker_that_meets_a_bad_spec_ends_as_one_process_does(tmp_path: Path, compiled: Compiled) -> None:
    task = RunTask.of(compiled(), settings(tmp_path / "run", gpus=2))
    broken = task.model_copy(update={"spec": re.sub(r"8d2", "8d3", task.spec)})
    with pytest.raises(SpecError) as alone:
        broken.program()
    with pytest.raises(SpecError) as together:
        start_workers(broken)
    assert [item.code for item in together.value.diagnostics] == [item.code for item in alone.value.diagnostics] != []
    assert together.value.diagnostics[0].message == alone.value.diagnostics[0].message
    assert together.value.exit_code == 1


def test_gpus_that_are_not_there_are_told_before_anything_starts(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    with pytest.raises(RunError, match="found no GPU; 2 were requested") as caught:
        launch(compiled(), RunSettings(out=tmp_path / "run", gpus=2))
    assert caught.value.exit_code == 6
    monkeypatch.setattr("torch.accelerator.is_available", lambda: True)
    monkeypatch.setattr("torch.accelerator.current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr("torch.accelerator.device_count", lambda: 1)
    with pytest.raises(RunError, match="2 CUDA devices requested; 1 available"):
        launch(compiled(), RunSettings(out=tmp_path / "run", gpus=2))
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_torchrun_starts_the_processes(tmp_path: Path, spec_path: Path, curve: Curve) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "hvaedsl", "train"]
    command += [str(spec_path), "--device", "cpu", "--threads", "1", "--out", str(tmp_path / "run")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("written to") == 1
    assert ended.stderr.count("advice:") <= 1
    assert [line["step"] for line in curve(tmp_path / "run") if line["split"] == "train"] == list(range(1, 13))


def test_a_launcher_that_contradicts_the_options(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match=r"--gpus is 3, but the launcher \(torchrun\) started 2 processes"):
        launch(compiled(), settings(tmp_path / "run", gpus=3))
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.delenv("MASTER_PORT", raising=False)
    with pytest.raises(UsageError, match="but not MASTER_ADDR and MASTER_PORT"):
        launch(compiled(), settings(tmp_path / "run"))


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (
            RuntimeError("[third_party/gloo/gloo/transport/tcp/pair.cc:561] Connection closed by peer [10.0.0.7]:2944"),
            True,
        ),
        (torch.distributed.DistBackendError("NCCL error: remote process exited or there was a network error"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_a_process_that_has_lost_another_is_no_bug(error: RuntimeError, is_lost: bool) -> None:
    with pytest.raises(ProcessLost if is_lost else RuntimeError) as caught, losses_explained():
        raise error
    assert isinstance(caught.value, ProcessLost) is is_lost
    if isinstance(caught.value, ProcessLost):
        assert (caught.value.exit_code, "see its output" in caught.value.help) == (7, True)


def test_another_process_reads_the_working_folder_only_if_this_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m` would import a `torch.py` there, which the script `hvaedsl` does not."""
    (tmp_path / "torch.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if Path(entry).absolute() != tmp_path])
    assert running_module("this")[0] == "-P"
    done = subprocess.run(
        [sys.executable, *running_module("hvaedsl_runtime.sweep.child")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert "not a package" not in done.stderr
    monkeypatch.syspath_prepend(tmp_path)
    assert running_module("this") == ("-m", "this")


def test_another_process_reads_the_working_folder_last_if_this_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "random.py").touch()
    (tmp_path / "mine.py").write_text("import random; print(random.random() < 1)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*(entry for entry in sys.path if Path(entry) != tmp_path), str(tmp_path)])
    done = subprocess.run([sys.executable, *running_module("mine")], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\n", "")
