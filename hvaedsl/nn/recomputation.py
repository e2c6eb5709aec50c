"""Activation checkpointing: keep the state every N steps and recompute the rest in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, TypeVarTuple

import torch
from torch.utils.checkpoint import checkpoint

Arguments = TypeVarTuple("Arguments")
Step = TypeVar("Step")
Value = TypeVar("Value")


def segments(steps: Sequence[Step], every: int | None) -> Iterator[Sequence[Step]]:
    """The steps in runs of `every`; all in one if it is None."""
    length = every or max(1, len(steps))
    return (steps[start : start + length] for start in range(0, len(steps), length))


def computed_again(checkpointed: bool, function: Callable[[*Arguments], Value], *args: *Arguments) -> Value:
    """The function's value; if `checkpointed`, what it saves for the backward pass is computed again there."""
    if not checkpointed or not torch.is_grad_enabled():
        return function(*args)
    return checkpoint(function, *args, use_reentrant=False)
