"""The exponential moving average (EMA) of a model's weights."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from hvaedsl_runtime.disk.state_parts import PartError, StateDict

Module = TypeVar("Module", bound=nn.Module)


class ExponentialMovingAverage(Generic[Module]):
    """A copy of a model whose weights follow the model's: average += (1 - decay) * (weights - average).

    It starts at the initial weights and is not corrected for that (openai/vdvae): after n `updates`, decay ** n of it
    is still the initial weights. Its own state is that count; the weights are the state of its `model`.
    """

    def __init__(self, model: Module, decay: float) -> None:
        self.model: Module = copy.deepcopy(model).requires_grad_(False)
        self.updates = 0
        self._average_in = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # torch's

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Average in the weights of `model` after an update."""
        self._average_in(list(self.model.parameters()), list(model.parameters()), 0)
        self.updates += 1

    def state_dict(self) -> StateDict:
        """The count of updates."""
        return {"updates": self.updates}

    def load_state_dict(self, state: StateDict, /) -> None:
        """Restore the count. Raises PartError if it is missing."""
        if "updates" not in state:
            raise PartError("`updates` is missing")
        self.updates = state["updates"]
