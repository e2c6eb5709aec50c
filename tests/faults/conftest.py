"""A small training as a command of its own, in one process or two, to which faults happen."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.run_folder import RunFolder
from tests.runtime.conftest import write_images
from tests.runtime.equal_states import same

SPEC = """hvae 1
data { dataset = npy path = "PATH" channels = 1 resolution = 8 levels = 17 validation = 10 }
model { width = 8 latent = 2 encoder = 8x1, 8d2, 4x1 decoder = 4x1, 8m4, 8x1 }
train { steps = 60 batch_size = 4 learning_rate = 1e-3 eval_every = 1000 save_every = 10 seed = 3 }
sample { count = 4 }
"""
# How long a state may take to come, on a machine that is busy with other work.
PATIENCE_SECONDS = 600.0
ROOT = Path(__file__).parents[2]


class Training:
    """`hvaedsl train` in a process of its own, whose output goes to a file."""

    def __init__(
        self,
        folder: Path,
        processes: int,
        *options: str,
        sets: tuple[str, ...] = (),
        torchrun: tuple[str, ...] = (),
        **environment: str,
    ) -> None:
        self.out = folder / "run"
        self.log = folder / "output.txt"
        spec = folder / "small.hvae"
        if not spec.exists():
            spec.write_text(SPEC.replace("PATH", str(write_images(folder / "images"))))
        launcher = ["torch.distributed.run", "--nproc-per-node", str(processes), *torchrun, "-m"] if torchrun else []
        command = [sys.executable, "-m", *launcher, "hvaedsl", "train", str(spec), "--out", str(self.out)]
        command += ["--device", "cpu", "--threads", "1", *options]
        command += [] if torchrun else ["--gpus", str(processes)]
        command += [word for value in sets for word in ("--set", value)]
        temporary = folder / "tmp"
        temporary.mkdir(exist_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                cwd=ROOT,
                env={**os.environ, "TMPDIR": str(temporary), **environment},
                start_new_session=True,
            )
        self.known: dict[int, str] = {}  # all processes seen, with their start times

    @property
    def output(self) -> str:
        """What was printed until now."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def workers(self) -> list[int]:
        """The processes that the launcher has started and that run, by rank; each leads a session."""
        found = {}
        for pid in descendants(self.process.pid):
            with contextlib.suppress(OSError, IndexError, KeyError):
                environment = dict(
                    item.split(b"=", 1)
                    for item in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                    if b"=" in item
                )
                found[int(environment[b"RANK"])] = pid
                self.known[pid] = start_time(pid)
        return [found[rank] for rank in sorted(found)]

    def steps(self) -> int:
        """The step of the last line of the metrics."""
        with contextlib.suppress(OSError):
            with (self.out / "metrics.jsonl").open("rb") as file:
                file.seek(-min(4096, file.seek(0, os.SEEK_END)), os.SEEK_END)
                lines = file.read().splitlines()
            for line in reversed(lines):
                with contextlib.suppress(ValueError):
                    return int(json.loads(line)["step"])
        return 0

    def wait(self, what: str, is_there: Callable[[], object]) -> None:
        """Wait until a state is there. Fails if the command ends, or after PATIENCE_SECONDS."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not is_there():
            self.workers()
            assert self.process.poll() is None, f"ended before {what}: {self.output}"
            assert time.monotonic() < until, f"no {what}: {self.output}"
            time.sleep(0.02)

    def wait_for_step(self, step: int) -> None:
        """Wait until a step is done, which then runs in all its processes."""
        self.wait(f"step {step}", lambda: self.steps() >= step)

    def end(self, patience: float = PATIENCE_SECONDS) -> int:
        """Wait for the end of the command, and return the exit code, -N after signal N."""
        try:
            return self.process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it does not end: {self.output}")

    def assert_none_left(self) -> None:
        """No process that was seen runs any more."""
        until = time.monotonic() + PATIENCE_SECONDS
        while left := [pid for pid, start in self.known.items() if start and start_time(pid) == start]:
            assert time.monotonic() < until, f"{left} are left: {self.output}"
            time.sleep(0.05)

    def state(self) -> dict[str, Any]:
        """The weights and the optimizer of the last checkpoint."""
        state = dict(load_checkpoint(RunFolder(self.out).checkpoint).state)
        return {name: state[name] for name in ("model", "ema", "optimizer", "position")}

    def close(self) -> None:
        """End what is left."""
        for pid in (self.process.pid, *self.known):
            if pid == self.process.pid or start_time(pid) == self.known[pid]:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()


def descendants(pid: int) -> list[int]:
    """The children of a process and theirs."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                found += [child, *descendants(child)]
    return found


def start_time(pid: int) -> str:
    """When a process started; empty if it does not run."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Callable[..., Training]]:
    """Start a training; everything of it is ended after the test."""
    if sys.platform != "linux":
        pytest.skip("the processes are found in /proc")
    started: list[Training] = []

    def start(processes: int, *options: str, name: str = "small", **more: Any) -> Training:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        started.append(Training(folder, processes, *options, **more))
        return started[-1]

    yield start
    for item in started:
        item.close()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], dict[str, Any]]:
    """The state at the end of a run of N processes to which nothing happens."""
    known: dict[int, dict[str, Any]] = {}

    def state(processes: int) -> dict[str, Any]:
        if processes not in known:
            run = Training(tmp_path_factory.mktemp("undisturbed"), processes)
            assert run.end() == 0, run.output
            known[processes] = run.state()
        return known[processes]

    return state


def damaged(content: bytes, draw: random.Random) -> bytes:
    """The content with a flipped bit, or truncated."""
    at = draw.randrange(len(content))
    if draw.random() < 0.3:
        return content[:at]
    return content[:at] + bytes([content[at] ^ (1 << draw.randrange(8))]) + content[at + 1 :]


def assert_same(run: Training, expected: dict[str, Any]) -> None:
    """The state of a run is another's, bit for bit."""
    state = run.state()
    for part, value in expected.items():
        assert same(state[part], value), part
    assert all(tensor.isfinite().all() for tensor in state["model"].values() if isinstance(tensor, torch.Tensor))
