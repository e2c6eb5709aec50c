"""Checkpoints: everything that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hvaedsl.diagnostics.errors import DamagedRun, RunNotFound
from hvaedsl_runtime.disk.weights import write_torch

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A run after `step` steps. `spec` is the resolved spec as text; `preparation`, the fields of a Preparation.

    Order, noise and binarisation are functions of seed and step, so there is no generator state to keep.
    """

    version: str
    spec: str
    step: int
    seed: int
    world_size: int
    dtype: str
    preparation: dict[str, Any]
    skipped_updates: int
    skipped_in_a_row: int
    wall_seconds: float
    model: dict[str, Tensor]
    ema: dict[str, Tensor]
    optimizer: dict[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write `path` such that a process killed at any moment leaves the old file or the new one, whole.

    Raises WriteError.
    """
    # Not dataclasses.asdict: it would copy every tensor.
    content = {field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}
    write_torch(path, {"format": FORMAT, **content})


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, its tensors on the CPU; only tensors and plain values are unpickled.

    Raises RunError (5) for a file that is missing, damaged, or of another format.
    """
    if not path.exists():
        raise RunNotFound(f"{path}: no checkpoint", help="name a run folder that hvaedsl train wrote")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about files that torch did not write: the error says more
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # on a damaged file the reader runs into nearly any
        # Not its text: of a file that is none, torch advises to load it in a way that runs code.
        raise DamagedRun(
            f"{path}: the checkpoint cannot be read ({type(error).__name__})",
            help="the file is damaged; take it from a backup, or train anew into another folder with --out",
        ) from error
    expected = {"format", *(field.name for field in fields(Checkpoint))}
    if not isinstance(content, dict) or content.get("format") != FORMAT or set(content) != expected:
        raise DamagedRun(
            f"{path}: not a checkpoint of format {FORMAT}",
            help="it was written by another version of hvaedsl, or by something else",
        )
    del content["format"]
    return Checkpoint(**content)
