"""What `hvaedsl doctor` says about runs with one thing wrong each: as a user reads it, in cases/NAME.txt."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import hvaedsl
from hvaedsl.diagnostics.errors import Diverged
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl_runtime.disk.folder_lock import LOCK, folder_lock
from hvaedsl_runtime.disk.lock_holder import Holder
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.doctor.examination import examination_lines, examine
from hvaedsl_runtime.doctor.finding import retrain_command
from hvaedsl_runtime.doctor.run_log import RunLog
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings
from tests.runtime.doctor.conftest import (
    SPEC,
    Line,
    Logged,
    evaluation,
    event,
    lines_of,
    resumed,
    step_line,
    write_lines,
)

CASES = Path(__file__).parent / "cases"
NAN = float("nan")


def kinds(run: Path) -> list[str]:
    return [found.kind for found in examine(run).findings]


def with_spec(run: Path, **keys: object) -> None:
    """Change the spec of a run as an earlier version would have: neither run.json nor a checkpoint knows of it."""
    for path in (run / "checkpoints").iterdir():
        if path.is_dir():
            for part in path.iterdir():
                part.unlink()
            path.rmdir()
        else:
            path.unlink()
    (run / "run.json").write_text('{"name": "small", "has_checkpoint": false}')
    (run / "summary.json").unlink()
    text = (run / "spec.hvae").read_text()
    for key, value in keys.items():
        text, count = re.subn(rf"^  {key} += .*$", f"  {key} = {value}", text, flags=re.MULTILINE)
        assert count == 1
    (run / "spec.hvae").write_text(text)


def test_a_run_with_nothing_wrong_about_it(run: Path, command: Callable[..., tuple[object, str, str]]) -> None:
    code, out, err = command("doctor", run)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"{run}: finished after step 6 of 6"
    assert out.splitlines()[-1] == "nothing is wrong"
    code, out, _ = command("doctor", run, "--json")
    assert code == 0
    content = json.loads(out)
    assert (content["state"], content["step"], content["steps"], content["findings"]) == ("finished", 6, 6, [])


def test_a_run_that_failed_before_its_first_checkpoint_lost_none(run: Path) -> None:
    for path in (run / "checkpoints").rglob("*"):
        if path.is_file():
            path.unlink()
    for path in (run / "checkpoints").iterdir():
        path.rmdir()
    assert "missing-file" in kinds(run)
    (run / "run.json").write_text('{"name": "small", "has_checkpoint": false}')
    assert "missing-file" not in kinds(run)


def skipping(line: Line) -> Line:
    return {**line, "applied": False, "skipped_updates": line["step"], "gradient_norm": 10.0 + line["step"] % 5}


def rising(line: Line) -> Line:
    late = line["step"] > 200
    norm = line["gradient_norm"] * (50 if late else 1)
    skipped = max(0, line["step"] - 200)
    return {**line, "applied": not late, "skipped_updates": skipped, "gradient_norm": norm}


def not_finite(line: Line) -> Line:
    return {**line, "loss_nats_per_dim": NAN, "gradient_norm": NAN} if line["step"] > 240 else line


def slow(line: Line) -> Line:
    return {**line, "wall_seconds": line["step"] * 0.5 + max(0, line["step"] - 260) * 4.5}


def frozen(line: Line) -> Line:
    return {**line, "learning_rate": 0.0} if line["step"] > 290 else line


def growing(line: Line) -> Line:
    return {**line, "gradient_norm": line["gradient_norm"] * 1.02 ** line["step"]}


SKIPS = [event(step, "skipped", gradient_norm=12.0, threshold=5.0, ranks=[0], images=[1]) for step in range(1, 301)]
ROLLBACKS = [event(90, "rollback", from_step=90, rollbacks=1, left_out_batches=50, rate=1.0), resumed(40)]
OVERFIT = [
    line for step, x in ((60, 2.0), (120, 1.8), (180, 1.9), (240, 2.0), (300, 2.1)) for line in evaluation(step, x, x)
]
LOST = [*evaluation(100, 2.0, 2.0), *evaluation(200, 1.9, 1.9, kl=[1.0, 2.0, 0.001])]
ENDED = evaluation(300, 1.0, 1.0, "test")
AGAIN = [
    line
    for day in (1, 2, 3)
    for line in (resumed(40, f"2026-01-0{day}T00:00:00+00:00"), *map(step_line, range(41, 60)))
]


@pytest.mark.parametrize(
    ("name", "change", "more", "expected"),
    [
        ("skipped_from_the_start", skipping, [*SKIPS, *ENDED], ["skipped-updates"]),
        ("skipped_since_the_norms_rose", rising, ENDED, ["skipped-updates", "gradient-norm-grows"]),
        ("loss_not_finite", not_finite, [event(300, "failed", why="training diverged")], ["failed", "loss-not-finite"]),
        ("rollback", None, [*ROLLBACKS, *ENDED], ["rollbacks"]),
        ("out_of_memory", None, [event(9, "out_of_memory", images=32, images_from_here=8), *ENDED], ["out-of-memory"]),
        ("slow", slow, ENDED, ["slow"]),
        ("learning_rate_0", frozen, ENDED, ["learning-rate-0"]),
        ("growing_norm", growing, ENDED, ["gradient-norm-grows"]),
        ("overfitting", None, [*OVERFIT, *ENDED], ["validation-rises"]),
        ("average_lags", None, evaluation(300, 1.0, 2.0, "test"), ["average-lags"]),
        ("average_of_moving_weights", None, evaluation(300, 1.0, 1.1, "test"), ["average-lags"]),
        ("collapsed_layer", None, [*LOST, *ENDED], ["collapsed-layers"]),
        ("unused_layer", None, [*evaluation(100, 2.0, 2.0, kl=[0.0, 2.0, 1.0]), *ENDED], ["unused-layers"]),
        ("resumed_again_and_again", None, [*AGAIN, *map(step_line, range(60, 301)), *ENDED], ["no-progress"]),
        ("interrupted", None, [], ["interrupted"]),
    ],
)
def test_one_thing_is_wrong(
    logged: Logged,
    update_goldens: bool,
    name: str,
    change: Callable[[Line], Line] | None,
    more: list[Line],
    expected: list[str],
) -> None:
    run = logged(300, change or (lambda line: line), more)
    with_spec(run, steps=300, skip_above=5, ema_decay=0.999 if name == "average_lags" else 0.5)
    text = "\n".join(examination_lines(examine(run))).replace(str(run), "RUN") + "\n"
    assert kinds(run) == expected, text
    path = CASES / f"{name}.txt"
    if update_goldens:
        path.write_text(text)
    assert text == path.read_text()


def test_findings_are_told_to_programs(logged: Logged, command: Callable[..., tuple[object, str, str]]) -> None:
    run = logged(more=[event(6, "failed", why="training diverged: a reason")])
    code, out, _ = command("doctor", run, "--format", "json")
    content = json.loads(out)
    assert code == 1
    assert content["state"] == "failed"
    (found,) = content["findings"]
    assert found.keys() == {"kind", "what", "file", "step", "why", "help"}
    assert (found["kind"], found["step"], found["file"]) == ("failed", 6, str(run / "metrics.jsonl"))
    assert "training diverged: a reason" in found["what"]


def test_overfitting_and_instability_are_told_apart(logged: Logged) -> None:
    def worse(line: Line) -> Line:
        return {**line, "loss_nats_per_dim": 1.0 + line["step"] / 100}

    run = logged(300, worse, [*OVERFIT, *ENDED])
    found = next(found for found in examine(run).findings if found.kind == "validation-rises")
    assert found.step == 120
    assert "become unstable" in found.why


def test_no_noise_is_taken_for_a_rise(logged: Logged) -> None:
    close = [line for step, x in ((60, 1.8), (120, 1.81), (180, 1.805), (240, 1.81)) for line in evaluation(step, x, x)]
    few = [line for step, x in ((60, 1.8), (120, 2.5), (180, 2.5)) for line in evaluation(step, x, x)]
    for lines in (close, few):
        assert "validation-rises" not in kinds(logged(300, more=[*lines, *ENDED]))


def test_a_gap_and_a_lost_end_are_found(run: Path) -> None:
    lines = lines_of(run)
    write_lines(run, [line for line in lines if line["step"] != 3])
    assert [(found.kind, found.step) for found in examine(run).findings if found.step] == [("log-gap", 3)]
    write_lines(run, [line for line in lines if line["step"] < 5])
    assert "log-gap" in kinds(run)
    write_lines(run, lines)
    assert kinds(run) == []


def test_a_sparse_log_and_one_that_is_resumed_have_no_gap(tmp_path: Path) -> None:
    def gaps(*parts: range) -> list[tuple[int, int]]:
        lines: list[Line] = []
        for part in parts:
            lines += [resumed(part.start - 1)] if lines else []
            lines += [{"step": step, "split": "train"} for step in part]
        return RunLog(tmp_path / "metrics.jsonl", lines=lines).gaps(1)

    assert gaps(range(1, 50)) == []
    assert gaps(range(4, 50, 4)) == []
    assert gaps(range(1, 50), range(40, 60)) == []
    assert gaps(range(1, 50), range(52, 100, 4)) == []
    assert gaps(range(1, 50), range(60, 80)) == [(49, 60)]


@pytest.mark.parametrize("state", ["held", "stale", "elsewhere"])
def test_the_lock_says_whether_the_run_goes_on(logged: Logged, run: Path, state: str) -> None:
    write_lines(run, [line for line in lines_of(run) if line["split"] != "test"])
    (run / "summary.json").unlink()
    if state == "held":
        with folder_lock(run):
            examination = examine(run)
        assert str(examination.state) == "running at step 6 of 6"
        assert f"in use by process {os.getpid()} on " in examination.facts[0]
        assert examination.findings == ()
        return
    holder = Holder(host="node7", boot="another", pid=4711) if state == "elsewhere" else Holder.this_process()
    (run / LOCK).write_text(holder.model_dump_json())
    if state == "elsewhere":
        os.utime(run / LOCK, times=(time.time() - 1000.0,) * 2)
    examination = examine(run)
    (found,) = examination.findings
    assert (found.kind, examination.state.name) == ("interrupted", "interrupted")
    assert "its process was killed: the lock of process " in found.what
    assert "is stale" in examination.facts[0]
    assert (run / LOCK).exists()


def test_nothing_is_changed(run: Path) -> None:
    def state() -> dict[Path, tuple[int, int, bytes]]:
        return {
            path: (path.stat().st_mtime_ns, path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
            for path in (run, *run.rglob("*"))
        }

    (run / LOCK).write_text(Holder.this_process().model_dump_json())
    content = (run / "metrics.jsonl").read_bytes()
    (run / "metrics.jsonl").write_bytes(content[:-9])
    before = state()
    assert "truncated-log" in kinds(run)
    assert state() == before


def test_a_folder_without_a_run_is_refused(tmp_path: Path, command: Callable[..., tuple[object, str, str]]) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        code, out, err = command("doctor", path)
        assert (code, out) == (5, "")
        assert "name a folder that hvaedsl train wrote" in " ".join(err.split())


def test_a_run_that_diverges_says_so_in_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small.hvae").write_text(
        SPEC.replace("learning_rate = 1e-3", "learning_rate = 1e9 lr_warmup_steps = 1")
    )
    with pytest.raises(Diverged) as caught:
        train(hvaedsl.load(tmp_path / "small.hvae"), RunSettings(out=tmp_path / "run", device="cpu", threads=1))
    examination = examine(tmp_path / "run")
    assert examination.state.name == "failed"
    found = next(found for found in examination.findings if found.kind == "failed")
    assert str(caught.value) in found.what


def test_exhausted_memory_is_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = HierarchicalVAE.forward

    def limited(self: HierarchicalVAE, x: torch.Tensor, *rest: Any) -> Any:
        if torch.is_grad_enabled() and len(x) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(self, x, *rest)

    monkeypatch.setattr(HierarchicalVAE, "forward", limited)
    (tmp_path / "small.hvae").write_text(SPEC)
    train(hvaedsl.load(tmp_path / "small.hvae"), RunSettings(out=tmp_path / "run", device="cpu", threads=1))
    found = next(found for found in examine(tmp_path / "run").findings if found.kind == "out-of-memory")
    assert "a forward pass has 2 images now, and had 4" in found.what
    assert "train.micro_batch = 2" in found.help


@pytest.mark.parametrize("path", [".", ".."])
def test_a_run_that_is_named_by_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    inside = tmp_path / "run" / "checkpoints"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside if path == ".." else inside.parent)
    assert f"--out {tmp_path / 'run-2'}" in retrain_command(RunFolder(Path(path)))
