"""Flipped bits and truncations in every file of a run folder that a command reads: none is read in silence.

A command that meets damaged bytes says so, or ends with an error; it never prints a traceback, and never ends as a bug.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diagnostics.errors import ExitCode, HvaedslError
from hvaedsl_runtime.analysis.history import read_history
from hvaedsl_runtime.analysis.html_report import evaluated_bounds
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.evaluate.units import reporting_unit
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings
from tests.faults.conftest import damaged
from tests.soak import soak

SPEC = """hvae 1
data { dataset = digits validation = 20 }
model { width = 4 latent = 1 encoder = 8x1, 8d2, 4x1 decoder = 4x1, 8m4, 8x1 }
train { steps = 6 batch_size = 4 learning_rate = 1e-3 eval_every = 2 save_every = 2 }
sample { count = 1 }
"""
DAMAGES = 300
SAMPLE = 33  # of them in the plain suite


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with an evaluation."""
    folder = tmp_path_factory.mktemp("damage")
    (folder / "small.hvae").write_text(SPEC)
    train(hvaedsl.load(folder / "small.hvae"), RunSettings(out=folder / "run", device="cpu", threads=1))
    return folder / "run"


def read_files(run: Path) -> list[Path]:
    """The files that a command reads, relative to the run: pictures are only looked at by people."""
    newest = RunFolder(run).checkpoint
    best = [run / "checkpoints" / "best.json"]
    single = [run / name for name in ("run.json", "spec.hvae", "metrics.jsonl", "summary.json", "eval_validation.json")]
    found = [*single, *best, *sorted(newest.iterdir())]
    return [path.relative_to(run) for path in found]


def read(run: Path, name: str) -> None:
    """Read a file as the commands do. Whatever else than an HvaedslError is raised would end a command as a bug."""
    if name == "metrics.jsonl":  # compare, analyze curves, report, sweep
        read_history(run / name)
        return
    finished = FinishedRun.open(run, "cpu", "best" if name == "best.json" else None)  # every other command on a run
    for split in ("validation", "test"):
        _ = finished.folder.recorded_images().get(split)
    finished.folder.model_name()
    finished.model("ema")
    evaluated_bounds(finished, reporting_unit(finished.program.spec))  # report


def error_of(run: Path, name: str) -> HvaedslError | None:
    """The error of reading a file; None if it can be read."""
    try:
        read(run, name)
    except HvaedslError as error:
        return error
    return None


@pytest.mark.parametrize("count", [SAMPLE, soak(DAMAGES)])
def test_no_damaged_byte_is_read_in_silence(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    finished = FinishedRun.open(run, "cpu")
    finished.write_evaluation("validation", finished.evaluate("validation"))
    summary, hidden = run / "summary.json", tmp_path / "summary.json"
    names = read_files(run)

    draw = random.Random(count)
    for number in range(count):
        name = names[number % len(names)]
        if name.name == "eval_validation.json":  # the report reads one of the two
            summary.rename(hidden)
        before = (run / name).read_bytes()
        (run / name).write_bytes(content := damaged(before, draw))
        capsys.readouterr()
        error = error_of(run, name.name)
        said = str(error or "") + capsys.readouterr().err
        assert error is None or (error.help and error.exit_code != ExitCode.BUG), error
        assert name.name in said, (name, content[:300], said)

        (run / name).write_bytes(before)
        if hidden.exists():
            hidden.rename(summary)
    for name in names:
        read(run, name.name)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("seed", [0, *map(soak, range(1, 20))])
def test_a_run_whose_newest_checkpoint_is_damaged_goes_on_from_the_one_before(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    draw = random.Random(seed)
    path = draw.choice(sorted(RunFolder(run).checkpoint.iterdir()))
    path.write_bytes(damaged(path.read_bytes(), draw))
    capsys.readouterr()
    program = hvaedsl.load(run / "spec.hvae")
    train(program, RunSettings(out=run, resume=True, device="cpu", threads=1))
    said = " ".join(capsys.readouterr().out.split())
    assert path.name in said
    assert "using the checkpoint before it, of step 4" in said
    assert (run / "checkpoints" / "step-00000006.damaged").is_dir()
    for name in ("model.safetensors", "ema.safetensors", "optimizer.safetensors"):
        again = run / "checkpoints" / "step-00000006" / name
        assert again.read_bytes() == (whole / "checkpoints" / "step-00000006" / name).read_bytes()


def test_with_every_checkpoint_damaged_training_stops_and_keeps_the_history(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    for path in run.glob("checkpoints/step-*/state.json"):
        path.write_bytes(path.read_bytes()[:-1])
    log, summary = (run / "metrics.jsonl").read_bytes(), (run / "summary.json").read_bytes()
    for _ in range(2):  # the second time, all are set aside
        with pytest.raises(HvaedslError) as caught:
            train(hvaedsl.load(run / "spec.hvae"), RunSettings(out=run, resume=True, device="cpu", threads=1))
        assert caught.value.exit_code == ExitCode.FILES
        assert "backup" in caught.value.help
    assert (run / "metrics.jsonl").read_bytes() == log
    assert (run / "summary.json").read_bytes() == summary
    assert len(list(run.glob("checkpoints/*.damaged"))) == 3
