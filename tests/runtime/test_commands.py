"""The commands: what is printed, exit codes, and what a killed one leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import hvaedsl
from hvaedsl_runtime.disk.checked_json import read_checked
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings
from tests.runtime.saved_states import saved
from tests.soak import soak

LIMIT_SECONDS = 120
Command = Callable[..., tuple[object, str, str]]
Curve = Callable[[Path], list[dict[str, Any]]]


def start(*arguments: str | Path, ignoring: Sequence[signal.Signals] = ()) -> subprocess.Popen[str]:
    """Start a command, which ignores some signals from its start, as under nohup or in the background of a shell."""

    def ignore() -> None:
        for number in ignoring:
            signal.signal(number, signal.SIG_IGN)

    return subprocess.Popen(
        [sys.executable, "-c", "from hvaedsl.cli.main import run; run()", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=ignore,
    )


def wait_for_lines(path: Path, count: int, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + LIMIT_SECONDS
    while not path.exists() or len(path.read_text().splitlines()) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


def checked_json(path: Path) -> dict[str, Any]:
    return read_checked(path, way_out="")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, module_program: hvaedsl.Program) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    train(module_program, RunSettings(out=folder, device="cpu", threads=1))
    return folder


@pytest.fixture
def finished(tmp_path: Path, trained: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.mark.long
@pytest.mark.parametrize("number", [soak(signal.SIGINT), signal.SIGKILL], ids=lambda number: number.name)
def test_a_run_that_is_stopped_or_killed_goes_on_to_the_same_curve(
    tmp_path: Path, spec_path: Path, curve: Curve, number: signal.Signals
) -> None:
    sets = {"train.steps": "400", "train.save_every": "20", "train.eval_every": "25"}
    options = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    process = start("train", spec_path, "--out", tmp_path / "parts", "--device", "cpu", "--threads", "1", *options)
    wait_for_lines(tmp_path / "parts" / "metrics.jsonl", 45, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=LIMIT_SECONDS)
    if number is signal.SIGINT:
        assert process.returncode == 130
        assert f"hvaedsl train {tmp_path}/parts/spec.hvae --out {tmp_path}/parts --resume --device cpu" in err
        assert "Traceback" not in err

    # The 400 steps leave time for the signal. A few of the rest are enough: a step does not depend on how many follow.
    ends = {"train.steps": saved(tmp_path / "parts")["position"]["step"] + 40}
    whole = RunSettings(out=tmp_path / "whole", device="cpu", threads=1)
    train(hvaedsl.load(spec_path, sets=sets | ends), whole)
    resumed = whole.model_copy(update={"out": tmp_path / "parts", "resume": True})
    train(hvaedsl.load(tmp_path / "parts" / "spec.hvae", sets=ends), resumed)
    assert curve(tmp_path / "parts") == curve(tmp_path / "whole")


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGHUP, soak(signal.SIGUSR1)], ids=lambda number: number.name)
def test_a_run_of_two_processes_is_stopped_and_resumed_and_loses_no_step(
    tmp_path: Path, spec_path: Path, curve: Curve, command: Command, number: signal.Signals
) -> None:
    """A scheduler sends its signal to every process; a user sends one to the launcher."""
    run = tmp_path / "run"
    arguments = ("train", spec_path, "--out", run, "--device", "cpu", "--gpus", "2", "--set", "train.steps=9000")

    def stopped(number: signal.Signals, steps: int, *, everywhere: bool, resume: Sequence[str] = ()) -> int:
        process = start(*arguments, *resume)
        wait_for_lines(run / "metrics.jsonl", steps, process)
        for pid in [process.pid, *(children(process.pid) if everywhere else [])]:
            os.kill(pid, number)
        _, err = process.communicate(timeout=LIMIT_SECONDS)
        assert process.returncode == 128 + number, err
        assert f"stopped by {number.name}" in err
        assert "resume with: hvaedsl train" in err
        assert "--resume --gpus 2" in err
        assert "Traceback" not in err
        step = saved(run)["position"]["step"]
        assert step == max(line["step"] for line in curve(run))
        return int(step)

    first = stopped(number, 10, everywhere=True)
    lines = len((run / "metrics.jsonl").read_text().splitlines())
    second = stopped(signal.SIGINT, lines + 10, everywhere=False, resume=["--resume"])
    assert second > first
    ends = ("--set", f"train.steps={second + 10}")
    code, out, err = command("train", run / "spec.hvae", "--out", run, "--resume", "--device", "cpu", *ends)
    assert not code, err
    assert "the run had 2 processes until now, and has one process from here" in out
    trained = [line["step"] for line in curve(run) if line["split"] == "train"]
    assert trained == list(range(1, second + 11))


@pytest.mark.long
@pytest.mark.parametrize("processes", [1, soak(2)])
def test_signals_that_are_ignored_at_the_start_do_not_stop_a_run_and_sigterm_does(
    tmp_path: Path, spec_path: Path, processes: int
) -> None:
    ignored = (signal.SIGHUP, signal.SIGINT)
    options = ("--out", tmp_path / "run", "--device", "cpu", "--gpus", str(processes), "--set", "train.steps=100000")
    process = start("train", spec_path, *options, ignoring=ignored)
    log = tmp_path / "run" / "metrics.jsonl"
    wait_for_lines(log, 3, process)

    everyone = [process.pid, *children(process.pid)]
    assert len(everyone) >= processes
    for number in ignored:
        for pid in everyone:
            os.kill(pid, number)
    wait_for_lines(log, len(log.read_text().splitlines()) + 20, process)

    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 143, err
    assert "stopped by SIGTERM" in err


@pytest.mark.long
def test_a_terminal_that_is_closed_stops_a_run(tmp_path: Path, spec_path: Path, curve: Curve) -> None:
    """The system sends SIGHUP, and whatever is printed from then on fails."""
    pty = pytest.importorskip("pty")
    options = ("--device", "cpu", "--threads", "1", "--set", "train.steps=9000", "--set", "train.eval_every=9000")
    command = ["hvaedsl", "train", str(spec_path), "--out", str(tmp_path / "run"), *options]
    pid, terminal = pty.fork()
    if pid == 0:
        code = "from hvaedsl.cli.main import run; run()"
        os.execv(sys.executable, [sys.executable, "-c", code, *command[1:]])

    threading.Thread(target=read_to_the_end, args=(terminal,), daemon=True).start()
    until = time.monotonic() + LIMIT_SECONDS
    log = tmp_path / "run" / "metrics.jsonl"
    while not log.exists() or len(log.read_text().splitlines()) < 10:
        assert time.monotonic() < until
        time.sleep(0.02)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 128 + signal.SIGHUP
    step = saved(tmp_path / "run")["position"]["step"]
    assert step == max(line["step"] for line in curve(tmp_path / "run"))


def read_to_the_end(terminal: int) -> None:
    with suppress(OSError):
        while os.read(terminal, 1 << 16):
            pass


def children(pid: int) -> list[int]:
    """The processes that a process started, on Linux."""
    return [
        int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()
    ]


def test_eval_repeats_what_training_reported(finished: Path, command: Command) -> None:
    code, out, err = command("eval", finished, "--device", "cpu", "--batch-size", "3")
    assert code == 0, err
    reported = json.loads((finished / "summary.json").read_text())["test"]
    written = checked_json(finished / "eval_test.json")
    for weights in ("raw", "ema"):
        assert written[weights].pop("kl_nats") == pytest.approx(reported[weights].pop("kl_nats"), rel=1e-5)
        assert written[weights] == pytest.approx(reported[weights], rel=1e-5)
        assert f"{written[weights]['bits_per_dim']:.4f}" in out
    assert written["step"] == 12


def test_eval_prints_what_it_writes(finished: Path, command: Command) -> None:
    result = finished / "eval_validation.json"

    def evaluated(weights: str) -> dict[str, Any]:
        arguments = ("--split", "validation", "--weights", weights, "--device", "cpu", "--json")
        code, out, err = command("eval", finished, *arguments)
        assert code == 0, err
        printed = json.loads(out)
        assert isinstance(printed, dict)
        return printed

    both = evaluated("both")
    assert checked_json(result) == both
    assert {"raw", "ema"} <= set(both)

    # An evaluation of one kind of weights keeps the other's figures of the same step, and drops those of another.
    assert evaluated("raw") == {key: value for key, value in both.items() if key != "ema"}
    assert checked_json(result) == both
    result.write_text(json.dumps({**both, "step": 4}))
    alone = evaluated("ema")
    assert set(both) - set(alone) == {"raw"}
    assert checked_json(result) == alone
    result.write_text("[")
    assert evaluated("ema") == checked_json(result) == alone


def test_sample_draws_the_same_picture_twice(finished: Path, tmp_path: Path, command: Command) -> None:
    pictures = [tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.png"]
    for picture, seed in zip(pictures, ("1", "1", "2"), strict=True):
        code, out, err = command(
            "sample", finished, "--count", "4", "--temperature", "0.5", "--seed", seed, "--out", picture
        )
        assert code == 0, err
        assert str(picture) in out
    a, b, c = (picture.read_bytes() for picture in pictures)
    assert a == b
    assert a != c


def test_mistakes_are_one_readable_error(finished: Path, tmp_path: Path, spec_path: Path, command: Command) -> None:
    checkpoint = RunFolder(finished).checkpoint / "model.safetensors"
    manifest = tmp_path / "manifest.json"
    manifest.write_text('{"format": "hvaedsl images", "split": "all"}')
    cases: list[tuple[int, str, tuple[str | Path, ...]]] = [
        (2, "manifest.json exists and is no result of hvaedsl eval", ("eval", finished, "--out", manifest)),
        (5, "--resume", ("train", spec_path, "--out", finished)),
        (
            5,
            "was trained with --dtype float32",
            ("train", spec_path, "--out", finished, "--resume", "--dtype", "float64"),
        ),
        (5, "no such folder", ("eval", tmp_path / "nothing")),
        (5, "no run in this folder", ("sample", tmp_path)),
        (2, "--temperature", ("sample", finished, "--temperature", "0")),
        (2, "--temperature is inf", ("sample", finished, "--temperature", "inf")),
        (2, "--temperature is nan", ("export", finished, "--to", "pt2", "--temperature", "nan")),
        (7, "at --temperature 1e38, the model", ("sample", finished, "--temperature", "1e38")),
        (2, ".png", ("sample", finished, "--out", tmp_path / "x.jpg")),
        (2, "run.json is a file of the run", ("eval", finished, "--out", finished / "run.json")),
        (2, "model.safetensors is a file of the run", ("convert", finished, "--to", checkpoint, "--force")),
        (2, "is a file of the run", ("sample", finished, "--out", checkpoint.with_suffix(".png"))),
        (2, "is a file of the run", ("export", finished, "--to", "pt2", "--out", checkpoint.with_suffix(".pt2"))),
        (2, "is a file of the run", ("report", finished, "--out", checkpoint.with_suffix(".html"))),
    ]
    for expected, words, arguments in cases:
        code, _, err = command(*arguments)
        assert code == expected, arguments
        assert words in err
        assert "Traceback" not in err


def test_a_missing_extra_is_told(spec_path: Path) -> None:
    without = "import sys; sys.modules['torch'] = None; from hvaedsl.cli.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", without, "train", str(spec_path)],
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert "hvaedsl[train]" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_modules_import_no_torch() -> None:
    check = "import sys, hvaedsl.cli.train, hvaedsl.cli.eval, hvaedsl.cli.sample; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], timeout=LIMIT_SECONDS, check=False).returncode == 0


def test_a_run_goes_on_when_its_reader_goes_away(tmp_path: Path, spec_path: Path) -> None:
    training = start("train", spec_path, "--out", tmp_path / "run", "--device", "cpu", "--threads", "1")
    assert training.stdout is not None
    training.stdout.readline()
    training.stdout.close()
    _, said = training.communicate(timeout=120)
    assert training.returncode == 0, said
    assert (tmp_path / "run" / "summary.json").exists()
