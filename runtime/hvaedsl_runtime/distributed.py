"""The processes of a run: rank and device of this one, and the sums over all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from hvaedsl.diagnostics.errors import DeviceNotFound, UsageError
from hvaedsl.ir.run_options import DeviceName

# How long the other processes wait while the first one draws pictures or downloads.
COLLECTIVE_TIMEOUT = timedelta(minutes=60)


@dataclass(frozen=True)
class Processes:
    """One of the `world_size` processes of a run."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this is the process that prints and writes files."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.world_size > 1:
            dist.all_reduce(values)
        return values

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes, in place."""
        return self.sum(values).div_(self.world_size)

    def any(self, flag: bool) -> bool:
        """Whether `flag` is set in any process."""
        if self.world_size == 1:
            return flag
        return self.sum(torch.tensor(float(flag), device=self.device)).item() > 0

    def from_first(self, value: int) -> int:
        """The value of the first process, in every process."""
        if self.world_size == 1:
            return value
        return int(self.sum(torch.tensor(value if self.is_first else 0, device=self.device)).item())

    def barrier(self) -> None:
        """Wait for all processes."""
        self.any(False)


def started_by_launcher() -> bool:
    """Whether torchrun, or a launcher with its environment variables, started this process."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def choose_device(name: DeviceName | None, local_rank: int = 0) -> torch.device:
    """The device of a process: the requested one; by default a GPU if available, otherwise the CPU.

    Raises DeviceNotFound if there are not enough GPUs.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name is None and gpus == 0):
        return torch.device("cpu")
    if local_rank >= gpus:
        raise DeviceNotFound(
            f"{local_rank + 1} CUDA device{'s' if local_rank else ''} requested; {gpus} available",
            help="run on the CPU with --device cpu" + (f", or on all GPUs with --gpus {gpus}" if gpus else ""),
        )
    return torch.device("cuda", local_rank)


@contextmanager
def process_group(name: DeviceName | None) -> Iterator[Processes]:
    """Join the processes of the run with NCCL (GPUs) or gloo (CPUs); without a launcher, a single process.

    Raises DeviceNotFound as `choose_device` does, and UsageError if a launcher did not say where the processes meet.
    """
    if not started_by_launcher():
        device = choose_device(name)
        use_device(device)
        yield Processes(0, 1, device)
        return

    if missing := [variable for variable in ("MASTER_ADDR", "MASTER_PORT") if variable not in os.environ]:
        raise UsageError(
            f"RANK and WORLD_SIZE are set, as a launcher sets them, but not {' and '.join(missing)}",
            help="start the processes with torchrun -m hvaedsl, or unset RANK and WORLD_SIZE to train in one process",
        )
    device = choose_device(name, int(os.environ.get("LOCAL_RANK", "0")))
    use_device(device)
    if device.type == "cuda":
        dist.init_process_group("nccl", timeout=COLLECTIVE_TIMEOUT, device_id=device)
    else:
        dist.init_process_group("gloo", timeout=COLLECTIVE_TIMEOUT)
    # Not destroyed after an error: the others would fail with a broken connection before the cause is reported.
    yield Processes(dist.get_rank(), dist.get_world_size(), device)
    dist.destroy_process_group()


def use_device(device: torch.device) -> None:
    """Make a GPU the current one of this process."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
