"""The exponential moving average (EMA) of a model's weights."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from hvaedsl_runtime.disk.state_parts import PartError, StateDict
from hvaedsl_runtime.train.flat import FlatLayout, flatten

Module = TypeVar("Module", bound=nn.Module)


class ExponentialMovingAverage(Generic[Module]):
    """A copy of a model whose weights follow the model's: average += (1 - decay) * (weights - average).

    It starts at the initial weights and is not corrected for that (openai/vdvae): after n `updates`, decay ** n of it
    is still the initial weights. Its own state is that count; the weights are the state of its `model`, and lie in one
    buffer, `values` [size].
    """

    def __init__(self, model: Module, layout: FlatLayout, decay: float) -> None:
        self.model: Module = copy.deepcopy(model).requires_grad_(False)
        self.values = flatten(self.model, layout)
        self.updates = 0
        self._rate = 1 - decay

    @torch.no_grad()
    def update(self, weights: Tensor, applied: Tensor) -> None:
        """Average in a model's buffer of weights, [size], or change nothing if `applied`, a scalar, is false.

        The device decides, and nothing waits for it: who reads `applied` counts the update. Zero times a weight that is
        not finite would change the average, but such a weight was averaged in when it came to be.
        """
        self.values.lerp_(weights, applied.to(weights) * self._rate)

    def state_dict(self) -> StateDict:
        """The count of updates."""
        return {"updates": self.updates}

    def load_state_dict(self, state: StateDict, /) -> None:
        """Restore the count. Raises PartError if it is missing."""
        if "updates" not in state:
            raise PartError("`updates` is missing")
        self.updates = state["updates"]
