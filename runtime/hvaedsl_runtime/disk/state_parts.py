"""The parts of a run's state: their common interface, and the two that are plain values."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch

from hvaedsl_runtime.noise import NOISE_VERSION

StateDict = dict[str, Any]

logger = logging.getLogger(__name__)


class Stateful(Protocol):
    """Whatever can be saved and restored, as torch's modules and optimizers can."""

    def state_dict(self) -> StateDict:
        """The state as tensors and plain values."""

    def load_state_dict(self, state: StateDict, /) -> object:
        """Restore what `state_dict` returned. Raises ValueError or RuntimeError for a state that does not fit."""


class PartError(ValueError):
    """A state dict lacks a part or a field, or one of them does not fit."""


class PlainPart:
    """Base of dataclasses whose fields are their state, and which have a default for each field."""

    def state_dict(self) -> StateDict:
        """The fields by name."""
        return dict(vars(self))

    def load_state_dict(self, state: StateDict, /) -> None:
        """Restore every field; unknown ones are logged. Raises PartError for a missing one."""
        for name in vars(self):
            if name not in state:
                raise PartError(f"`{name}` is missing")
            setattr(self, name, state[name])
        log_unknown(state, vars(self), type(self).__name__.lower())

    @classmethod
    def from_state(cls, state: StateDict) -> Self:
        """A new part with a saved state. Raises PartError as `load_state_dict` does."""
        part = cls()
        part.load_state_dict(state)
        return part


@dataclass
class Position(PlainPart):
    """Where a run is in its streams of images and noise, which are functions of seed, step, dtype and noise version.

    `step` is the number of steps done, thus the 0-based step that comes next; `dtype`, that of noise and weights.
    `world_size` and `micro_batch`, the images of a forward pass on one process, are the split of the last step: with
    the same split, a resumed run has the same bits. `noise` is the version of the training noise.
    """

    seed: int = 0
    step: int = 0
    world_size: int = 1
    dtype: str = "float32"
    micro_batch: int = 0  # 0 if it was not recorded
    noise: int = NOISE_VERSION

    @property
    def torch_dtype(self) -> torch.dtype:
        """`dtype` as torch names it."""
        return torch.float64 if self.dtype == "float64" else torch.float32


@dataclass
class Counters(PlainPart):
    """What happened in the steps done: updates skipped, in all and consecutively until now, and seconds spent."""

    skipped_updates: int = 0
    skipped_in_a_row: int = 0
    wall_seconds: float = 0.0

    def record(self, *, applied: bool, seconds: float) -> None:
        """Count one step."""
        self.wall_seconds += seconds
        self.skipped_updates += not applied
        self.skipped_in_a_row = 0 if applied else self.skipped_in_a_row + 1


def log_unknown(found: Iterable[str], known: Iterable[str], where: str) -> None:
    """Log the names that this version does not know: they are ignored, and not saved again."""
    unknown = [name for name in found if name not in set(known)]
    if unknown:
        logger.warning("%s: ignoring unknown fields: %s", where, ", ".join(unknown))
