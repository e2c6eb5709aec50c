"""The gradients of a step in one buffer, and their sum over all processes in one message."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn

from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.heartbeat import waiting
from hvaedsl_runtime.train.flat import FlatLayout, norm_of

LOSS_TERMS = 3

logger = logging.getLogger(__name__)


class Gradients:
    """The gradients of the trained parameters of a model: `values`, [trained_size], of which each `grad` is a view.

    The buffer has room behind them for what the processes tell each other after the last forward pass of a step: their
    gradient norms before the sum, `own_norms` [world_size], the loss terms, and whether one has run out of memory. So
    one message says all of it, and no process waits for one that has failed.

    `unreached` are the names of parameters that have had no gradient since the first step, in no process: those of
    custom parts may. They are to be left alone, because a gradient of zero is one on which the decay still acts.
    """

    def __init__(self, model: nn.Module, layout: FlatLayout, processes: Processes) -> None:
        self._parameters = {place.name: model.get_parameter(place.name) for place in layout.trained}
        self._processes = processes
        first = next(iter(self._parameters.values()))
        sizes = [layout.trained_size, processes.world_size, LOSS_TERMS, 1]
        self._buffer = torch.zeros(sum(sizes), device=first.device, dtype=first.dtype)
        self.values, self.own_norms, self._means, self._failed = torch.split(self._buffer, sizes)
        self._views = layout.views(self.values)
        self._are_views = False
        self.unreached: frozenset[str] = frozenset()

    def clear(self) -> None:
        """Set all gradients to zero, before the first forward pass of a step or after one that has failed."""
        self._buffer.zero_()
        if not self._are_views:
            for parameter in self._parameters.values():
                parameter.grad = None

    def sum(self, means: Tensor | None) -> Tensor | None:
        """Sum the gradients over all processes in place, and return the sums of the loss terms, [3].

        None, in every process, if one passes None: it could not compute its part.
        """
        missing: list[bool] = []
        if not self._are_views and means is not None:
            missing = self._make_views()
        if self._processes.world_size > 1:
            means = self._exchange(means)
        if missing and means is not None:
            self._are_views = True
            reached = self._processes.each_max(*(not item for item in missing))
            self.unreached = frozenset(name for name, has in zip(self._parameters, reached, strict=True) if not has)
            if self.unreached:
                logger.warning("no gradient reaches %s: left as they are", ", ".join(sorted(self.unreached)))
        return means

    def _make_views(self) -> list[bool]:
        """Replace the gradients of the first step, which are tensors of their own; for each, whether it is missing."""
        missing = [parameter.grad is None for parameter in self._parameters.values()]
        for name, parameter in self._parameters.items():
            if parameter.grad is not None:
                self._views[name].copy_(parameter.grad)
            parameter.grad = self._views[name]
        return missing

    def _exchange(self, means: Tensor | None) -> Tensor | None:
        """Add up the buffers of all processes."""
        if means is None:
            self._failed.fill_(1)
        else:
            self._means.copy_(means)
            self.own_norms[self._processes.rank] = norm_of(self.values)
        with waiting():  # a GPU's sum is waited for where it is read
            self._processes.sum(self._buffer)
            return None if self._failed.item() > 0 else self._means
