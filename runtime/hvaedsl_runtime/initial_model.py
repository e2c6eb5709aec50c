"""The weights that a seed begins with."""

from __future__ import annotations

import torch

from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl.program import Program
from hvaedsl_runtime.noise import mixed_seed


def initial_model(program: Program, seed: int, device: torch.device, dtype: torch.dtype) -> HierarchicalVAE:
    """The untrained model of a seed. It sets torch's generator, from which modules draw their weights."""
    torch.manual_seed(mixed_seed(seed, "weights"))
    return program.module().to(device=device, dtype=dtype)
