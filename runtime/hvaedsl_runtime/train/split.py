"""How the images of a step are split over processes and forward passes."""

from __future__ import annotations

import torch

from hvaedsl.diagnostics.diagnostic import listing
from hvaedsl.diagnostics.errors import OutOfMemory, UsageError
from hvaedsl.ir.divisors import divisors, largest_divisor
from hvaedsl.ir.spec import Spec
from hvaedsl.ir.step_memory import StepMemory, bytes_of, weight_bytes
from hvaedsl.program import Program

SHOWN = 8


def check_processes(spec: Spec, processes: int) -> None:
    """Raise UsageError if the processes cannot compute equal shares of a step.

    They cannot either if they would split the images of one norm (`normalize_state { over = batch }`).
    """
    batch, micro = spec.train.batch_size, spec.train.micro_batch
    if batch is None or processes == 1:
        return
    if norms_over_batch(spec):
        raise UsageError(
            f"model.normalize_state.over is batch, and {processes} processes would each norm over their own images",
            help="train with one process, or set model.normalize_state.over to sample",
        )
    if batch % processes:
        near = {batch // processes * processes, -(-batch // processes) * processes} - {0}
        raise UsageError(
            f"train.batch_size is {batch:,}, which {processes} processes do not divide",
            help=f"use {_either(divisors(batch))} processes, or set train.batch_size to {_either(sorted(near))}",
        )
    share = batch // processes
    if micro is not None and share % micro:
        raise UsageError(
            f"train.micro_batch is {micro:,}, which does not divide the {share:,} images of each of {processes} "
            "processes",
            help=f"set it to {_either(divisors(share))}, or remove it: the split is then chosen",
        )


def chosen_micro_batch(program: Program, processes: int, device: torch.device) -> int:
    """Images of a forward pass on one process: the spec's number, or the most that divide its share and fit the device.

    On a CPU, and where a norm runs over the batch, it is the whole share.
    """
    training = program.training()
    share = training.batch_size // processes
    if training.micro_batch is not None:
        return training.micro_batch
    available = None if norms_over_batch(program.spec) else device_bytes(device, training.gpu_memory)
    if available is None:
        return share
    return largest_divisor(share, step_memory(program).most_images(available))


def step_memory(program: Program) -> StepMemory:
    """The memory of a training step by the number of images, as the compiler counts it."""
    train = program.spec.train
    precision, every = train.activation_precision, train.recompute_every
    if every is None:
        image = program.cost.activation_bytes(1, precision)
    else:
        image = program.checkpointing.peak_bytes(every, 1, precision)
    return StepMemory(weight_bytes=weight_bytes(program.cost.parameters, precision), image_bytes=image)


def device_bytes(device: torch.device, gpu_memory: float | None) -> int | None:
    """Bytes that a training may use on a device: its free memory, at most `train.gpu_memory` GiB; None on a CPU.

    None too for an accelerator of which torch does not know the memory.
    """
    if device.type == "cpu":
        return None
    try:
        free, _ = torch.accelerator.get_memory_info(device)
    except (NotImplementedError, RuntimeError):
        return None
    return free if gpu_memory is None else min(free, bytes_of(gpu_memory))


def lower_micro_batch(micro_batch: int, share: int) -> int | None:
    """The next smaller number of images that divides a process's share; None below one image."""
    return max((size for size in divisors(share) if size < micro_batch), default=None)


# How torch's error about exhausted main memory begins, behind a place in its source.
CPU_ALLOCATOR = "DefaultCPUAllocator"


def out_of_memory(error: BaseException) -> OutOfMemory:
    """The error for a user, of torch's error about exhausted memory."""
    text = str(error).partition("\n")[0]
    is_main = CPU_ALLOCATOR in text
    reason = text[text.index(CPU_ALLOCATOR) if is_main else 0 :].partition(". ")[0]
    return OutOfMemory(
        f"out of {'main' if is_main else 'GPU'} memory: {reason}",
        help="set train.recompute_every, or train.precision = bfloat16",
    )


def norms_over_batch(spec: Spec) -> bool:
    """Whether a forward pass needs all images of the step, because the state is divided by a norm over them."""
    norm = spec.model.normalize_state
    return norm.norm is not None and norm.over == "batch"


def _either(numbers: list[int]) -> str:
    """Some numbers as alternatives; of many, the smallest and the largest."""
    if len(numbers) > SHOWN:
        numbers = [*numbers[: SHOWN // 2], *numbers[-SHOWN // 2 :]]
    return listing([f"{number:,}" for number in numbers])
