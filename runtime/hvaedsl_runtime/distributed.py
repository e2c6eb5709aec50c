"""The processes of a run: which one this is, its device, and what they add up together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor

from hvaedsl.diagnostics.errors import DeviceNotFound

DeviceName = Literal["cpu", "cuda"]

# Other processes wait this long while the first draws pictures, or downloads.
COLLECTIVE_TIMEOUT = timedelta(minutes=60)


@dataclass(frozen=True)
class Processes:
    """One process among the `world_size` of a run."""

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
        """Whether `flag` is set in some process."""
        if self.world_size == 1:
            return flag
        return self.sum(torch.tensor(float(flag), device=self.device)).item() > 0

    def from_first(self, value: int) -> int:
        """The first process's value, in every process."""
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
    """The device of a process: the one asked for, else a GPU where there is one, else the CPU.

    Raises RunError (6) where `cuda` is asked for and there are not enough GPUs.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name is None and gpus == 0):
        return torch.device("cpu")
    if local_rank >= gpus:
        raise DeviceNotFound(
            f"{local_rank + 1} CUDA device{'s' if local_rank else ''} asked for, {gpus} found",
            help="--device cpu runs on the CPU" + (f", --gpus {gpus} on all there are" if gpus else ""),
        )
    return torch.device("cuda", local_rank)


@contextmanager
def process_group(name: DeviceName | None) -> Iterator[Processes]:
    """Join the processes of the run: NCCL between GPUs, gloo between CPUs; without a launcher, one process alone.

    Raises RunError (6) as `choose_device` does.
    """
    if not started_by_launcher():
        device = choose_device(name)
        use_device(device)
        yield Processes(0, 1, device)
        return
    device = choose_device(name, int(os.environ.get("LOCAL_RANK", "0")))
    use_device(device)
    if device.type == "cuda":
        dist.init_process_group("nccl", timeout=COLLECTIVE_TIMEOUT, device_id=device)
    else:
        dist.init_process_group("gloo", timeout=COLLECTIVE_TIMEOUT)
    # Not destroyed after an error: the others would then fail of the broken connection before the cause is known.
    yield Processes(dist.get_rank(), dist.get_world_size(), device)
    dist.destroy_process_group()


def use_device(device: torch.device) -> None:
    """Make a GPU the current one of this process."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
