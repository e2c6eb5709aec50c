"""What saving costs the training: a copy of the state on the training thread, and a thread that writes it.

Run as `OMP_NUM_THREADS=1 python benchmarks/checkpoint.py [FOLDER]`; the checkpoints are written into a temporary folder
in FOLDER, which decides which disk is measured.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from hvaedsl_runtime.disk.checkpoint_folder import Noted
from hvaedsl_runtime.disk.checkpoint_writer import CheckpointWriter
from hvaedsl_runtime.disk.not_finite import first_not_finite
from hvaedsl_runtime.disk.saved_checkpoints import Retention

LAYERS, WIDTH = 150, 512  # with the average and two moments, a state of about 600 MiB
SAVES = 7
# What is promised: a save blocks a step for at most this many copies, and steps beside it are at most this much slower.
COPIES, SLOWER = 2.0, 0.10


class Training:
    """A model of many layers with its average and its optimizer, and a step of a small batch."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        layers = [nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)]
        for layer in layers:
            nn.init.eye_(layer.weight)  # torch's own makes numbers so small after many layers that they are slow
        self.model = nn.Sequential(*layers)
        self.average = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.optimizer = torch.optim.AdamW(self.model.parameters(), fused=True)
        self.inputs = torch.randn(64, WIDTH)
        self.step()

    def step(self) -> float:
        """Take a step, and return its seconds."""
        started = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        self.model(self.inputs).square().mean().backward()
        self.optimizer.step()
        return time.perf_counter() - started

    def state(self) -> dict[str, object]:
        """The state as a run saves it."""
        return {"model": self.model.state_dict(), "ema": self.average, "optimizer": self.optimizer.state_dict()}

    def tensors(self) -> list[Tensor]:
        """The tensors of the state."""
        moments = [item for state in self.optimizer.state.values() for item in state.values()]
        return [*self.model.state_dict().values(), *self.average.values(), *moments]


def main(folder: str | None = None) -> int:
    """Print the figures; 1 if one exceeds what is promised."""
    torch.set_num_threads(1)
    training = Training()
    tensors = training.tensors()
    size = sum(tensor.numel() * tensor.dtype.itemsize for tensor in tensors)
    copy = [torch.zeros_like(tensor) for tensor in tensors]  # allocated and touched before

    training.state()  # the first one imports parts of torch; a run does that before its first step
    copies, blocked, written, idle, beside = [], [], [], [], []
    with tempfile.TemporaryDirectory(dir=folder) as name:
        writer = CheckpointWriter(Path(name), Retention(1), size + (1 << 20))
        for number in range(1, SAVES + 1):
            started = time.perf_counter()
            for there, tensor in zip(copy, tensors, strict=True):
                there.copy_(tensor)
            copies.append(time.perf_counter() - started)
            idle += [training.step() for _ in range(8)]

            # What the loop does on its own thread: it looks for weights that are not finite, and copies the state.
            started = time.perf_counter()
            for weights in (dict(training.model.named_parameters()), training.average):
                assert first_not_finite(weights) is None
            writer.save("hvae 1", training.state(), Noted(number))
            blocked.append(time.perf_counter() - started)

            while writer.is_writing:
                beside.append(training.step())
            written.append(time.perf_counter() - started)
            writer.wait()

    ratio = statistics.median(blocked) / statistics.median(copies)
    slower = statistics.median(beside) / statistics.median(idle) - 1
    print(f"state {size / 2**20:.0f} MiB, torch {torch.__version__}, {SAVES} saves, medians")
    print(f"one copy into memory allocated before: {statistics.median(copies):.3f} s ({_range(copies)})")
    print(f"a save blocks the step for: {statistics.median(blocked):.3f} s ({_range(blocked)}), {ratio:.2f} copies")
    print(f"the checkpoint is complete and read back after: {statistics.median(written):.2f} s ({_range(written)})")
    print(f"a step beside no write: {1e3 * statistics.median(idle):.1f} ms of {len(idle)} ({_range(idle)})")
    print(f"a step beside the write: {1e3 * statistics.median(beside):.1f} ms of {len(beside)} ({_range(beside)})")
    print(f"steps during the write are {100 * slower:+.1f} % slower")
    return int(ratio > COPIES or slower > SLOWER)


def _range(values: list[float]) -> str:
    return f"{min(values):.3f}-{max(values):.3f} s"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
