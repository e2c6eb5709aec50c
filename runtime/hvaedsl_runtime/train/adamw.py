"""AdamW on flat buffers: one fused kernel for all parameters that have the same rate and the same number of updates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from hvaedsl.ir.training import TrainingSpec
from hvaedsl_runtime.disk.state_parts import PartError, StateDict
from hvaedsl_runtime.train.flat import FlatLayout, Place

ADAMW_EPS = 1e-8
MOMENTS = ("exp_avg", "exp_avg_sq")  # torch's names


@dataclass(frozen=True)
class Segment:
    """A part of the buffers in which all parameters have one factor on the rate and one number of updates."""

    factor: float
    places: tuple[Place, ...]
    updates: Tensor  # a scalar: how many were applied, for the correction of the moments' bias

    def of(self, buffer: Tensor) -> Tensor:
        """The numbers of a buffer that belong to it, [N]."""
        return buffer[self.places[0].start : self.places[-1].end]


class FlatAdamW:
    """torch's fused AdamW, with weight decay on every trained parameter, on the buffer that holds them.

    Its state dict is that of torch's AdamW on the parameters one by one, with groups that are runs of equal factors in
    the order of the model: so a checkpoint does not depend on the layout of the buffers. A factor on a parameter's
    learning rate is one on its decay too. Betas, decay and epsilon are those of the spec, also after a state is loaded.
    """

    def __init__(
        self,
        model: nn.Module,
        layout: FlatLayout,
        weights: Tensor,
        training: TrainingSpec,
    ) -> None:
        self._layout = layout
        self._weights = weights
        self._hyperparameters: dict[str, Any] = {
            "betas": training.betas, "eps": ADAMW_EPS, "weight_decay": training.weight_decay, "fused": True
        }  # fmt: skip
        self.moments = {name: torch.zeros_like(weights[: layout.trained_size]) for name in MOMENTS}

        # An optimizer of the parameters one by one. It has the form of the saved state, and never takes a step.
        self._parameters = {name: found for name, found in model.named_parameters() if found.requires_grad}
        factors = {place.name: place.factor for place in layout.trained}
        runs = [(factor, list(names)) for factor, names in groupby(self._parameters, key=factors.__getitem__)]
        self._saved = torch.optim.AdamW(
            [{"params": [self._parameters[name] for name in names]} for _, names in runs],
            lr=training.learning_rate,
            **self._hyperparameters,
        )
        self._rate_factors = [factor for factor, _ in runs]
        self._left_out: frozenset[str] = frozenset()
        self._divide(defaultdict(float))

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The parameters in the groups in which they are saved, with the hyperparameters of each group."""
        return self._saved.param_groups

    def step(self, gradients: Tensor, learning_rate: float, applied: Tensor) -> None:
        """Update the weights by a buffer of gradients, [trained_size], or change nothing if `applied`, a scalar, is
        false; the device decides that, and nothing waits for it.
        """
        for group, factor in zip(self._saved.param_groups, self._rate_factors, strict=True):
            group["lr"] = learning_rate * factor
        for group, segment in zip(self._flat.param_groups, self.segments, strict=True):
            group["lr"] = learning_rate * segment.factor
            group["params"][0].grad = segment.of(gradients)

        # The kernel's own condition, made for scaled losses: 1 leaves everything as it is, and NaN would not.
        self._flat.found_inf = applied.logical_not().to(gradients.device, torch.float32)  # type: ignore[attr-defined]
        self._flat.step()

    def leave_out(self, names: frozenset[str]) -> None:
        """Do not touch these parameters any more: no gradient reaches them, and the decay would."""
        if names != self._left_out:
            updates = {place.name: segment.updates.item() for segment in self.segments for place in segment.places}
            self._left_out = names
            self._divide(defaultdict(float, updates))

    def state_dict(self) -> StateDict:
        """The state by parameter, as torch's AdamW has it: nothing before the first update. Tensors are views."""
        views = {name: self._layout.views(buffer) for name, buffer in self.moments.items()}
        self._saved.state.clear()
        for segment in self.segments:
            if segment.updates.item() > 0:
                for place in segment.places:
                    moments = {moment: views[moment][place.name] for moment in MOMENTS}
                    # Each has its own count: whoever loads the state counts the updates one by one.
                    self._saved.state[self._parameters[place.name]] = {"step": segment.updates.clone(), **moments}
        found: StateDict = self._saved.state_dict()
        self._saved.state.clear()
        return found

    @torch.no_grad()
    def load_state_dict(self, state: StateDict, /) -> None:
        """Copy a state into the buffers; a parameter that has none starts from zero.

        Raises ValueError if the groups are others, KeyError for a missing moment, PartError for one of another shape.
        """
        self._saved.load_state_dict(state)
        views = {name: self._layout.views(buffer) for name, buffer in self.moments.items()}
        updates: defaultdict[str, float] = defaultdict(float)
        for buffer in self.moments.values():
            buffer.zero_()
        for name, parameter in self._parameters.items():
            loaded = self._saved.state.get(parameter, {})
            for moment in MOMENTS if loaded else ():
                if loaded[moment].shape != parameter.shape:
                    found, expected = list(loaded[moment].shape), list(parameter.shape)
                    raise PartError(f"{moment} of {name} has shape {found}, not {expected}")
                views[moment][name].copy_(loaded[moment])
                updates[name] = float(loaded["step"])

        # A state brings its own hyperparameters.
        self._saved.state.clear()
        for group in self._saved.param_groups:
            group.update(self._hyperparameters)
        self._divide(updates)

    def _divide(self, updates: Mapping[str, float]) -> None:
        """Divide the buffers by the factors and the updates of the parameters, and make the optimizer of the parts."""

        def kind(place: Place) -> tuple[bool, float, float]:
            return place.name in self._left_out, place.factor, updates[place.name]

        self.segments: list[Segment] = []
        for (is_left_out, factor, count), run in groupby(self._layout.trained, key=kind):
            if not is_left_out:
                places = tuple(run)
                self.segments.append(Segment(factor, places, torch.tensor(count, device=self._weights.device)))

        parts = [nn.Parameter(segment.of(self._weights)) for segment in self.segments]
        self._flat = torch.optim.AdamW([{"params": [part]} for part in parts], **self._hyperparameters)
        for part, segment in zip(parts, self.segments, strict=True):
            moments = {name: segment.of(buffer) for name, buffer in self.moments.items()}
            self._flat.state[part] = {"step": segment.updates, **moments}
