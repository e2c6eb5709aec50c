"""Running sweeps: their output, how they end, and how they are resumed."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest

import hvaedsl
from hvaedsl.cli.main import run
from hvaedsl.diagnostics.errors import Diverged, NoUpdate, ProcessFailed, RunError, RunsFailed, WriteError
from hvaedsl_runtime.launch.failure import Failure
from hvaedsl_runtime.sweep.axes import let_axes
from hvaedsl_runtime.sweep.command import raise_failures
from hvaedsl_runtime.sweep.driver import Sweep, SweepSettings
from hvaedsl_runtime.sweep.folder import SweepFolder
from hvaedsl_runtime.sweep.plan import Point, SweepPlan, SweepRequest, make_plan
from hvaedsl_runtime.sweep.results import collect
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings
from tests.soak import soak

LIMIT_SECONDS = 900  # a minute on an idle machine
SPEC = """hvae 1
let n = 1
data {{ dataset = npy path = "{path}" channels = 1 resolution = 8 levels = 17 validation = 10 }}
model {{ width = 8 latent = 2 encoder = 8x1, 8d2, 4x1 decoder = 4r2, 8m4, 8r$n }}
train {{ steps = 6 batch_size = 4 learning_rate = 1e-3 lr_warmup_steps = 3 ema_decay = 0.5 }}
sample {{ count = 4 }}
"""
Command = Callable[..., tuple[object, str, str]]
Curve = Callable[[Path], list[dict[str, Any]]]


def write_spec(folder: Path) -> Path:
    images = folder / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for split, count in (("train", 30), ("validation", 10), ("test", 11)):
        np.save(images / f"{split}.npy", rng.integers(0, 17, (count, 8, 8, 1), dtype=np.uint8))
    (folder / "small.hvae").write_text(SPEC.format(path=images), encoding="utf-8")
    return folder / "small.hvae"


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from hvaedsl.cli.main import run; run()", "sweep", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """`hvaedsl sweep` in this process: exit code, stdout and stderr, including the output of its runs."""

    def call(*arguments: str | Path) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["hvaedsl", "sweep", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        return ended.value.code, *capfd.readouterr()

    return call


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_spec(tmp_path_factory.mktemp("spec"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, spec: Path) -> Path:
    """A sweep over n = 1, 2 with two seeds."""
    out = tmp_path_factory.mktemp("finished") / "sweep"
    process = start(spec, "--let", "n=1,2", "--seeds", "2", "--out", out, "--device", "cpu", "--threads", "1")
    printed, err = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0, err
    (out.parent / "printed").write_text(printed)
    return out


@pytest.mark.long
def test_the_figures_are_those_of_the_summaries(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())
    rows = list(csv.DictReader((finished / "results.csv").read_text().splitlines()))
    table = (finished / "results.txt").read_text()
    assert (results["runs_finished"], results["runs_planned"], results["indicative"]) == (4, 4, True)
    printed = (finished.parent / "printed").read_text().splitlines()
    assert table in "".join(f"{line.rstrip()}\n" for line in printed)
    for point in results["points"]:
        folder = finished / "points" / point["name"]
        summaries = [json.loads((folder / f"seed-{seed}" / "summary.json").read_text()) for seed in (0, 1)]
        assert [summary["seed"] for summary in summaries] == [0, 1]
        assert {summary["parameters"] for summary in summaries} == {point["parameters"]}
        for weights in ("raw", "ema"):
            values = [summary["test"][weights]["bits_per_dim"] for summary in summaries]
            assert point[f"test_{weights}"]["mean"] == pytest.approx(mean(values))
            assert point[f"test_{weights}"]["standard_deviation"] == pytest.approx(stdev(values))
            assert f"{mean(values):.4f} ± {stdev(values):.4f}" in table
            listed = [float(row[f"test_{weights}_bits_per_dim"]) for row in rows if row["point"] == point["name"]]
            assert listed == values
        assert point["wall_seconds"]["mean"] == pytest.approx(mean(s["wall_seconds"] for s in summaries))
    assert (finished / "results.png").stat().st_size > 10_000
    assert (finished / "results.svg").stat().st_size > 10_000


@pytest.mark.long
def test_a_run_is_the_same_as_that_of_train(finished: Path, spec: Path, tmp_path: Path, curve: Curve) -> None:
    program = hvaedsl.load(spec, lets={"n": 2}, sets={"train.seed": 1})
    train(program, RunSettings(out=tmp_path / "alone", device="cpu", threads=1))
    assert curve(finished / "points" / "n=2" / "seed-1") == curve(tmp_path / "alone")
    assert (finished / "points" / "n=2" / "seed-1" / "spec.hvae").read_text() == (
        tmp_path / "alone" / "spec.hvae"
    ).read_text()


@pytest.mark.long
def test_finished_runs_are_not_run_again_and_points_are_added(finished: Path, spec: Path, command: Command) -> None:
    options = ("--seeds", "2", "--out", finished, "--device", "cpu", "--threads", "1")
    before = {path: path.stat().st_mtime_ns for path in finished.glob("points/*/*/summary.json")}
    code, out, err = command(spec, "--let", "n=1,2", *options)
    assert code == 0, err
    assert "4 of 4 runs are already finished" in out
    assert "run 1 of" not in out
    code, out, err = command(spec, "--let", "n=1,2", "--set", "model.latent=3", *options)
    assert code == 5
    assert "model.latent: 2 in the folder, 3 now" in err
    code, out, err = command(spec, "--let", "n=1,2,3", "--json", *options)
    assert code == 0, err
    assert [point["name"] for point in json.loads(out)["points"]] == ["n=1", "n=2", "n=3"]
    assert "added to the sweep" in err
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list(finished.glob("points/n=3/*/summary.json"))) == 2


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, spec: Path) -> Path:
    """The runs of n = 1, 2 without interruption, each trained separately, in folders of these names."""
    folder = tmp_path_factory.mktemp("undisturbed")
    for n in (1, 2):
        program = hvaedsl.load(spec, lets={"n": n}, sets={"train.steps": 170, "train.save_every": 40})
        train(program, RunSettings(out=folder / f"{n}", device="cpu", threads=1))
    return folder


@pytest.mark.long
@pytest.mark.parametrize(
    "number", [soak(signal.SIGINT), soak(signal.SIGUSR1), signal.SIGKILL], ids=lambda number: number.name
)
def test_a_sweep_that_was_stopped_or_killed_is_resumed(
    tmp_path: Path, spec: Path, undisturbed: Path, curve: Curve, command: Command, number: signal.Signals
) -> None:
    out = tmp_path / "sweep"
    options = (spec, "--let", "n=1,2", "--steps", "170", "--out", out, "--device", "cpu", "--threads", "1")
    save = ("--set", "train.save_every=40")
    process = start(*options, *save)
    wait_for_lines(out / "points" / "n=1" / "seed-0" / "metrics.jsonl", 45, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=LIMIT_SECONDS)
    if number is not signal.SIGKILL:
        assert process.returncode == 128 + number
        assert f"stopped by {number.name} at n=1, seed 0" in err
        assert f"--out {out}" in err
        assert (out / "results.txt").exists()
    assert "Traceback" not in err
    assert not (out / "points" / "n=2").exists()
    code, printed, err = command(*options, *save)
    assert code == 0, err
    assert "run 1 of 2: n=1, seed 0" in printed
    for n in (1, 2):
        assert curve(out / "points" / f"n={n}" / "seed-0") == curve(undisturbed / f"{n}")


@pytest.mark.long
def test_a_failed_run_is_recorded_and_the_others_run(tmp_path: Path, spec: Path, command: Command) -> None:
    options = (spec, "--vary", "train.skip_above=1e-9,none", "--out", tmp_path / "s", "--device", "cpu")
    code, out, err = command(*options)
    assert code == 7
    assert "1 of 2 runs failed" in err
    assert "no update was applied" in err
    assert "Traceback" not in err
    results = json.loads((tmp_path / "s" / "results.json").read_text())
    bad, good = results["points"]
    assert "no update was applied" in bad["failed"][0]["message"]
    assert (len(good["runs"]), good["failed"]) == (1, [])
    code, out, err = command(*options)
    assert code == 7
    assert ", which failed before" in out
    assert "run 1 of 2" not in out
    code, out, err = command(*options, "--retry-failed")
    assert code == 7
    assert "run 1 of 2" in out
    assert "run 2 of 2" not in out


@pytest.mark.long
def test_missing_images_end_the_sweep(tmp_path: Path, spec: Path, command: Command) -> None:
    nowhere = f'data.path="{tmp_path}/nowhere"'
    code, out, err = command(spec, "--let", "n=1,2", "--set", nowhere, "--out", tmp_path / "s", "--device", "cpu")
    assert code == 4
    assert "nowhere" in err
    assert "resume the sweep with: hvaedsl sweep " in " ".join(err.split())
    assert "run 2 of 2" not in out
    assert list((tmp_path / "s").rglob("*.failed.json")) == []


def wait_for_lines(path: Path, count: int, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + LIMIT_SECONDS
    while not path.exists() or len(path.read_text().splitlines()) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


# The tests below replace the process that trains by a script.


@pytest.fixture
def plan(spec: Path) -> SweepPlan:
    axes, _ = let_axes({"n": "1,2"})
    return make_plan(SweepRequest(spec=str(spec), axes=axes, seeds=(0, 1), lets={}, sets={}))


def sweep_with(script: str, plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    path = tmp_path / "child"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))
    (tmp_path / "sweep").mkdir()
    return Sweep(plan, SweepFolder(tmp_path / "sweep"), SweepSettings(device="cpu", resume_command="hvaedsl sweep x"))


def test_all_points_with_one_seed_come_before_the_next_seed(
    plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    sweep_with(f"head -n 1 >> {log}", plan, tmp_path, monkeypatch)(None)
    tasks = [json.loads(line)["run"] for line in log.read_text().splitlines()]
    found = [re.search(r"points/(.*)$", task["settings"]["out"]) for task in tasks]
    assert [match and match[1] for match in found] == ["n=1/seed-0", "n=2/seed-0", "n=1/seed-1", "n=2/seed-1"]
    assert [hvaedsl.loads(task["spec"]).training().seed for task in tasks] == [0, 0, 1, 1]


def test_a_process_that_is_killed_is_a_failed_run(
    plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = sweep_with("kill -9 $$", plan, tmp_path, monkeypatch)
    sweep(None)
    failures = [sweep.folder.failure(point, seed) for point, seed in plan.runs()]
    assert [failure.exit_code for failure in failures if failure is not None] == [137] * 4
    assert failures[0] is not None
    assert "SIGKILL" in failures[0].message
    assert "--retry-failed" in failures[0].error().help


def test_only_a_failure_that_may_end_otherwise_is_retried(
    plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = sweep_with("exit 9", plan, tmp_path, monkeypatch)
    first, second = ((point, 0) for point in plan.points)

    def help_after(*failures: tuple[tuple[Point, int], Exception]) -> str:
        for (point, seed), error in failures:
            sweep.folder.record_failure(point, seed, Failure.of(error))
        with pytest.raises(RunsFailed) as caught:
            raise_failures(collect(plan, sweep.folder), sweep.folder)
        return caught.value.help

    again = (
        "a point that diverged diverges again with the same seed and settings: remove its value, set "
        "train.skip_above or lower train.learning_rate, and sweep into another folder with --out"
    )
    assert help_after((first, Diverged("x"))) == again
    killed = ProcessFailed("x", status=9)
    assert help_after((second, killed)) == f"run the sweep again with --retry-failed, for the other failures; {again}"
    assert help_after((first, killed)) == "run the sweep again with --retry-failed"
    assert "raise train.skip_above" in help_after((first, NoUpdate("x")), (second, NoUpdate("x")))


def test_a_run_that_is_asked_to_stop_stops_the_sweep(
    plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = sweep_with("kill -TERM $$", plan, tmp_path, monkeypatch)
    with pytest.raises(RunError, match="stopped by SIGTERM at n=1, seed 0") as caught:
        sweep(None)
    assert caught.value.exit_code == 143
    assert caught.value.help == "resume with: hvaedsl sweep x"
    assert sweep.folder.failure(plan.points[0], 0) is None


def test_a_process_that_gives_no_reason_is_reported(
    plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = sweep_with("exit 9", plan, tmp_path, monkeypatch)
    sweep(None)
    failure = sweep.folder.failure(plan.points[1], 1)
    assert failure is not None
    assert failure.message == "the process ended with exit code 9 and reported no error"


def test_a_write_error_ends_the_sweep_and_is_not_a_failed_run(
    plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sweep" / "points" / "n=1" / "seed-0.failed.json"
    failure = Failure.of(WriteError("last.pt: cannot be written", remedy="make room there"))
    script = f"mkdir -p {path.parent}; echo '{failure.model_dump_json()}' > {path}; exit 5"
    sweep = sweep_with(script, plan, tmp_path, monkeypatch)
    with pytest.raises(WriteError, match=r"last\.pt: cannot be written") as caught:
        sweep(None)
    assert (caught.value.remedy, caught.value.exit_code) == ("make room there", 5)
    assert sweep.folder.failure(plan.points[0], 0) is None


@pytest.mark.long
@pytest.mark.soak
def test_a_sweep_with_a_write_error_is_resumed(
    tmp_path: Path, spec: Path, command: Command, file_size_limit: Callable[[int], AbstractContextManager[None]]
) -> None:
    options = (spec, "--let", "n=1,2", "--out", tmp_path / "s", "--device", "cpu", "--threads", "1")
    with file_size_limit(20_000):
        code, out, err = command(*options)
    assert code == 5, err
    assert re.search(r"seed-0/checkpoints/step-\d+: cannot be written: File too large; there is no checkpoint yet", err)
    assert f"raise the limit on the size of a file, then resume with: hvaedsl sweep {spec}" in err
    assert "Traceback" not in err
    assert "run 2 of 2" not in out
    assert list((tmp_path / "s").rglob("*.failed.json")) == []
    code, out, err = command(*options)
    assert code == 0, err
    assert "2 of 2 runs" in out


def test_a_run_that_was_killed_while_its_folder_was_created_is_restarted(
    plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    sweep = sweep_with(f"head -n 1 >> {log}", plan, tmp_path, monkeypatch)
    half = sweep.folder.run(plan.points[0], 0)
    (half.path / "checkpoints").mkdir(parents=True)
    half.identity.write_text("{}")
    trained = sweep.folder.run(plan.points[1], 0)
    trained.begin("small", plan.points[1].program("small", 0).resolved_text())
    sweep(None)
    first, second = (json.loads(line)["run"]["settings"]["resume"] for line in log.read_text().splitlines()[:2])
    assert (first, second) == (False, True)
    half.check_free(resume=False)


def test_a_run_folder_of_another_spec_is_rejected(
    plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = sweep_with("exit 0", plan, tmp_path, monkeypatch)
    folder = sweep.folder.run(plan.points[0], 0)
    folder.begin("small", plan.points[1].program("small", 0).resolved_text())
    folder.summary.write_text('{"steps": 6}')
    with pytest.raises(RunError, match="belongs to another spec") as caught:
        sweep(None)
    assert f"resume with: hvaedsl train {folder.spec} --out {folder.path} --resume" in caught.value.help
    assert caught.value.exit_code == 5
