"""State dicts with the published names, and files of them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from hvaedsl import Program
from hvaedsl.ir.parameter_names import parameter_shapes
from hvaedsl.lowering.names import published_parameters

StateDict = dict[str, Tensor]


def published(program: Program, seed: int) -> StateDict:
    """A state dict with the published names and random values; of a shared block the same for every application."""
    generator = torch.Generator().manual_seed(seed)
    shapes = parameter_shapes(program.bridge)
    values = {name: 0.1 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return {name: values[ours].clone() for name, ours in published_parameters(program.bridge).items()}


def save(path: Path, state_dict: StateDict, *, wrapped: bool = True) -> Path:
    """As the published code saves: the model inside DistributedDataParallel, the averaged one bare."""
    torch.save({("module." if wrapped else "") + name: value for name, value in state_dict.items()}, path)
    return path


def options(sets: dict[str, str]) -> list[str]:
    return [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]


def equal(one: StateDict, other: StateDict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
