"""A program as an initialized module on a device, and its numerical precision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hvaedsl.ir.spec import custom_model_parts
from hvaedsl.ir.training import Precision
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl.nn.forms import FormedDecoder
from hvaedsl.program import Program
from hvaedsl_runtime.noise import mixed_seed


def initial_model(program: Program, seed: int, device: torch.device, dtype: torch.dtype) -> HierarchicalVAE:
    """The untrained model of a seed. Seeds torch's global generator, from which modules draw their weights."""
    torch.manual_seed(mixed_seed(seed, "weights"))
    return placed_model(program, device, dtype)


def placed_model(program: Program, device: torch.device, dtype: torch.dtype) -> HierarchicalVAE:
    """The model of a program on a device, with weights that are drawn from torch's global generator.

    Its memory format is that of the spec. `auto` is channels_last in float32 on a CPU, where it was measured to be
    faster for every model tried (docs/performance.md); but not with custom parts, which may take views of states.
    """
    model = program.module().to(device=device, dtype=dtype)
    memory_format = program.spec.train.memory_format
    if memory_format == "auto":
        is_faster = device.type == "cpu" and dtype == torch.float32 and not custom_model_parts(program.spec)
        memory_format = "channels_last" if is_faster else "contiguous"
    if memory_format == "channels_last":
        model.store_in(torch.channels_last)
    return model


@contextmanager
def plain_cells(model: HierarchicalVAE) -> Iterator[None]:
    """Let all cells compute as their equations say, whatever `train.passes` is: hooks then see each of their parts."""
    decoder = model.decoder
    if not isinstance(decoder, FormedDecoder):
        yield
        return
    forms, decoder.forms = decoder.forms, {}
    try:
        yield
    finally:
        decoder.forms = forms


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Autocast to bfloat16 for that precision; otherwise no change."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def set_determinism(deterministic: bool) -> None:
    """Allow only operations that give the same bits each time, or any; called before a GPU is used.

    Those of a CPU give the same bits with the same number of threads anyway.
    """
    torch.backends.cudnn.benchmark = False
    if deterministic == torch.are_deterministic_algorithms_enabled():
        return  # setting it imports torch's compiler, which takes seconds
    if deterministic:
        # cuBLAS adds up in parts in any order unless its workspace has a fixed size.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)


def set_matrix_precision(precision: Precision) -> None:
    """Allow TF32 in a GPU's matrix products and convolutions for `tf32`, and forbid it for other precisions."""
    tf32 = precision == "tf32"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32  # True by default
