"""The processes of a run: rank and device of this one, and the sums over all."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import DistError

from hvaedsl.diagnostics.errors import DeviceNotFound, ProcessLost, RunError, UsageError
from hvaedsl.ir.run_options import DeviceName
from hvaedsl_runtime.heartbeat import beat, waiting
from hvaedsl_runtime.rendezvous import Launcher, meet, started_by_launcher

# How long the other processes wait while the first one draws pictures or downloads.
COLLECTIVE_TIMEOUT = timedelta(minutes=60)
TESTED = ("cpu",)
# In the messages of torch's libraries about a process that is gone; those of nccl have a class, DistError.
LOST = ("gloo/transport", "Gloo connectFullMesh failed", "Connection closed by peer", "Connection reset by peer")

# What torch says about exhausted memory: on mps, and on the CPU under Linux, macOS and Windows.
EXHAUSTED = ("out of memory", "can't allocate memory", "not enough memory")

logger = logging.getLogger(__name__)


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

    def beat(self, phase: str, step: int | None = None) -> None:
        """Say that this process is alive: `phase` is what it does now, `step` the number of steps done (if it changed).

        Called for every part of a step, batch of an evaluation, picture and save, so that none looks like a hang.
        """
        beat(phase, step)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.world_size > 1:
            with waiting():
                dist.all_reduce(values)
        return values

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes, in place."""
        return self.sum(values).div_(self.world_size)

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the values of the first one, in place."""
        if self.world_size == 1:
            return
        with waiting():
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def any(self, flag: bool) -> bool:
        """Whether `flag` is set in any process."""
        if self.world_size == 1:
            return flag
        with waiting():  # a GPU's sum is waited for where it is read
            return self.sum(torch.tensor(float(flag), device=self.device)).item() > 0

    def each_max(self, *numbers: int) -> list[int]:
        """For each number, the largest of all processes; one message for all of them."""
        if self.world_size == 1:
            return list(numbers)
        values = torch.tensor(numbers, device=self.device)
        with waiting():
            dist.all_reduce(values, dist.ReduceOp.MAX)
            return [int(value) for value in values.tolist()]

    def raise_any(self, failure: RunError | None) -> None:
        """Raise a failure of one process in all of them; of several, that of the lowest rank."""
        if not self.any(failure is not None):
            return
        failures = [failure] * self.world_size
        if self.world_size > 1:
            with waiting():
                dist.all_gather_object(failures, failure)
        raise next(found for found in failures if found is not None)

    @contextmanager
    def failing_together(self) -> Iterator[None]:
        """Raise a RunError that ends the block in one process in all of them, so that none waits for the others."""
        failure: RunError | None = None
        try:
            yield
        except RunError as error:
            failure = error
        self.raise_any(failure)

    def from_first(self, value: int) -> int:
        """The value of the first process, in every process."""
        if self.world_size == 1:
            return value
        with waiting():
            return int(self.sum(torch.tensor(value if self.is_first else 0, device=self.device)).item())

    def least(self, value: int) -> int:
        """The smallest of the processes' values, in every process."""
        if self.world_size == 1:
            return value
        found = torch.tensor(value, device=self.device)
        with waiting():
            dist.all_reduce(found, dist.ReduceOp.MIN)
            return int(found.item())

    def barrier(self) -> None:
        """Wait for all processes."""
        self.any(False)


def choose_device(name: DeviceName | None, local_rank: int = 0, *, dtype: torch.dtype = torch.float32) -> torch.device:
    """The device of a process: the requested one; by default torch's accelerator if available, otherwise the CPU.

    An accelerator without `dtype` (float64) is not the default. Raises DeviceNotFound if it is requested all the same,
    if the accelerator is not available or if there are not enough devices; UsageError for a name that torch lacks.
    """
    available = accelerator()
    if name is None:
        usable = available is not None and (dtype != torch.float64 or has_float64(torch.device(available)))
        name = available if available is not None and usable else "cpu"
    _check_name(name)
    if name == "cpu":
        return torch.device("cpu")

    # torch supports one type of accelerator at a time.
    count = torch.accelerator.device_count() if name == available else 0
    if local_rank >= count:
        shown = "CUDA" if name == "cuda" else name
        raise DeviceNotFound(
            f"{local_rank + 1} {shown} device{'s' if local_rank else ''} requested; {count} available",
            help="run on the CPU with --device cpu" + (f", or on all GPUs with --gpus {count}" if count else ""),
        )
    device = torch.device(name, local_rank)
    if dtype == torch.float64 and not has_float64(device):
        raise DeviceNotFound(f"device {name} has no float64", help="run on the CPU with --device cpu")
    return device


def accelerator() -> str | None:
    """The type of torch's accelerator, such as cuda, mps or xpu; None if there is none."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return None if found is None else found.type


def _check_name(name: str) -> None:
    try:
        known = torch.device(name).index is None
    except RuntimeError:
        known = False
    if not known:
        usable = " or ".join(filter(None, ("cpu", accelerator())))
        raise UsageError(f"--device is {name}; it must be a type of device of torch, here {usable}")


def has_float64(device: torch.device) -> bool:
    """Whether a device computes in float64; mps and some of xpu's do not."""
    if device.type == "xpu":
        return bool(torch.xpu.get_device_properties(device).has_fp64)
    return device.type != "mps"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory of the device is exhausted; mps and the CPU have no class for it."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in EXHAUSTED)


def release_memory(device: torch.device) -> None:
    """Give the memory that torch keeps for later back to the device."""
    if device.type != "cpu":
        torch.accelerator.empty_cache()


def as_float64(tensor: Tensor) -> Tensor:
    """The tensor in float64, on its device or, if that has no float64, on the CPU."""
    return tensor.double() if has_float64(tensor.device) else tensor.cpu().double()


def say_untested(device: torch.device) -> None:
    """Warn about a device on which hvaedsl has not been tested."""
    if device.type not in TESTED:
        logger.warning("device %s is untested: hvaedsl has been tested on the CPU only", device.type)


@contextmanager
def losses_explained() -> Iterator[None]:
    """Turn the errors of torch about a process that has ended, or cannot be reached, into ProcessLost."""
    try:
        yield
    except RuntimeError as error:  # gloo has no class for it
        known = isinstance(error, DistError) or any(words in str(error) for words in LOST)
        if not known or isinstance(error, torch.OutOfMemoryError):
            raise
        raise ProcessLost(
            "another process of the run has ended, or cannot be reached any more",
            help="see its output for the reason",
        ) from error


@contextmanager
def process_group(name: DeviceName | None, dtype: torch.dtype = torch.float32) -> Iterator[Processes]:
    """Join the processes of the run with torch's backend for their device; without a launcher, a single process.

    Raises DeviceNotFound as `choose_device` does, and UsageError if a launcher did not say where the processes meet, or
    if they do not meet there.
    """
    if not started_by_launcher():
        device = choose_device(name, dtype=dtype)
        say_untested(device)
        use_device(device)
        yield Processes(0, 1, device)
        return

    launcher = Launcher.of_environment()
    device = choose_device(name, launcher.local_rank or 0, dtype=dtype)
    if launcher.local_rank is None and launcher.world_size > 1 and device.type != "cpu":
        _check_one_device(device)
    use_device(device)

    with waiting():
        _join(launcher, device)
    if dist.get_rank() == 0:
        say_untested(device)
    # Not destroyed after an error: the others would fail with a broken connection before the cause is reported.
    yield Processes(dist.get_rank(), dist.get_world_size(), device)
    dist.destroy_process_group()


def _join(launcher: Launcher, device: torch.device) -> None:
    """Meet the other processes, and connect with them."""
    dist.init_process_group(
        dist.get_default_backend_for_device(device),
        timeout=COLLECTIVE_TIMEOUT,
        store=meet(launcher),
        rank=launcher.rank,
        world_size=launcher.world_size,
        device_id=None if device.type == "cpu" else device,
    )


def _check_one_device(device: torch.device) -> None:
    """Raise UsageError if processes on this machine could use several devices, and do not know which is whose."""
    count = torch.accelerator.device_count()
    if count > 1:
        raise UsageError(
            f"RANK and WORLD_SIZE are set, but not LOCAL_RANK: which of the {count} {device.type} devices this process "
            "uses is unknown",
            help="set LOCAL_RANK to the number of the process on its machine (with srun, SLURM_LOCALID)",
        )


def use_device(device: torch.device) -> None:
    """Make an accelerator the current one of this process."""
    if device.type != "cpu" and device.index is not None:
        torch.accelerator.set_device_index(device.index)
