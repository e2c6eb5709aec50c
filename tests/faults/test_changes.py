"""What changes between or within the processes of a run: a NaN in one of them, the spec, their number."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hvaedsl_runtime.disk.metrics import read_metrics
from tests.faults.conftest import Training
from tests.runtime.logged_events import logged_events

Start = Callable[..., Training]
pytestmark = [pytest.mark.long, pytest.mark.soak]

# Makes the inputs of some batches NaN in the process of one rank.
SPOILED = """
import importlib.util, os, sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "hvaedsl_runtime.train.batches":
            return None
        sys.meta_path.remove(Finder)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            split = module.TrainingBatches._micro_batches

            def spoiled(self, batch, pixels, size):
                for part in split(self, batch, pixels, size):
                    yield part._replace(x=part.x * float("nan")) if batch in range(22, 26) else part

            module.TrainingBatches._micro_batches = spoiled

        spec.loader.exec_module = exec_module
        return spec

if os.environ.get("RANK", "0") == os.environ["SPOILED_RANK"]:
    sys.meta_path.insert(0, Finder)
"""


def lines(run: Training) -> list[dict[str, Any]]:
    """The lines of the training that count."""
    return [line for line in read_metrics(run.out / "metrics.jsonl") if line["split"] == "train"]


def assert_same_curve(one: Training, two: Training) -> None:
    """Two runs in float64 have the same losses, up to rounding."""
    for key in ("step", "applied"):
        assert [line[key] for line in lines(one)] == [line[key] for line in lines(two)]
    for key in ("loss_nats_per_dim", "gradient_norm"):
        for a, b in zip(lines(one), lines(two), strict=True):
            assert a[key] == (b[key] if b[key] is None else pytest.approx(b[key], rel=1e-10)), (key, a, b)


@pytest.mark.parametrize("policy", ["", "train.on_spike=rollback(after = 3, times = 2)"], ids=["default", "rollback"])
def test_a_nan_in_one_process_is_decided_on_by_all_alike(training: Start, tmp_path: Path, policy: str) -> None:
    """If the process with the NaN alone skipped the updates, the curve would part from that of a single process."""
    (tmp_path / "sitecustomize.py").write_text(SPOILED)
    path = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))
    runs = {}
    for processes, rank in ((2, 1), (1, 0)):
        more = {"PYTHONPATH": path, "SPOILED_RANK": str(rank)}
        sets = (policy,) if policy else ()
        run = runs[processes] = training(processes, "--dtype", "float64", sets=sets, name=f"of-{processes}", **more)
        assert run.end() == 0, run.output
        skips = logged_events(run.out / "metrics.jsonl", "skipped")
        assert [event["ranks"] for event in skips] == [[rank]] * 4
        assert all(len(event["images"]) == 4 and event["gradient_norm"] is None for event in skips)
        # The rollback after step 25 is to step 20, with the batches from 25 on, of which that one is spoiled.
        assert [event["step"] for event in skips] == ([23, 24, 25, 21] if policy else [23, 24, 25, 26])
        assert ("rollback 1 to the checkpoint of step 20" in run.output) is bool(policy)
    assert_same_curve(runs[2], runs[1])


def test_a_changed_spec_is_refused_with_the_differences_or_allowed(training: Start) -> None:
    run = training(2)
    run.wait_for_step(15)
    os.kill(run.process.pid, signal.SIGTERM)
    assert run.end() == 128 + signal.SIGTERM
    log = (run.out / "metrics.jsonl").read_bytes()
    changed = ("train.weight_decay=0.5", "model.decoder=4x1, 8m4, 8x2")
    refused = training(2, "--resume", sets=changed)
    assert refused.end() == 5, refused.output
    output = " ".join(refused.output.split())
    assert "train.weight_decay: 0.01 in the run, 0.5 now" in output
    assert "model.decoder: 4x1, 8m4, 8x1 in the run, 4x1, 8m4, 8x2 now" in output
    assert "add --allow-changed to go on under the changed spec" in output
    assert "Traceback" not in output
    assert (run.out / "metrics.jsonl").read_bytes() == log

    allowed = training(2, "--resume", "--allow-changed", sets=changed[:1])
    assert allowed.end() == 0, allowed.output
    assert "the spec has changed: train.weight_decay: 0.01 in the run, 0.5 now" in " ".join(allowed.output.split())
    assert allowed.state()["optimizer"]["param_groups"][0]["weight_decay"] == 0.5


def test_a_run_goes_on_with_another_number_of_processes(training: Start) -> None:
    whole = training(1, "--dtype", "float64", name="whole")
    assert whole.end() == 0, whole.output
    for processes, step in ((1, 15), (2, 35), (1, 0)):
        run = training(processes, "--dtype", "float64", *(["--resume"] if (processes, step) != (1, 15) else []))
        if step:
            run.wait_for_step(step)
            os.kill(run.process.pid, signal.SIGTERM)
            assert run.end() == 128 + signal.SIGTERM, run.output
        else:
            assert run.end() == 0, run.output
    output = " ".join(run.output.split())
    assert "the run had one process until now, and has 2 processes from here" in output
    assert "the run had 2 processes until now, and has one process from here" in output
    assert_same_curve(run, whole)
